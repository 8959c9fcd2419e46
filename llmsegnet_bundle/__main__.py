"""The command line: each command is a thin call into one room."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import fire

from llmsegnet_bundle.errors import told_in_one_line
from llmsegnet_bundle.usage import check_usage


def _ablate(plan: str, check: bool = False) -> None:
    """Train and evaluate the variants of a plan with each seed, in one table; --check only looks at the plan.

    The same command continues what was stopped. Threads are those of OMP_NUM_THREADS; docs/ablation.md.
    """
    from llmsegnet_bundle.ablation import ablate

    ablate(str(plan), check)


def _annotate(app: str, bundle: str, *bundles: str) -> None:
    """Make a MONAI Label app of bundles, by name or folder, or add bundles to one; docs/monai-label.md."""
    from llmsegnet_bundle.annotation.making import make_app

    names = make_app(str(app), [str(one) for one in (bundle, *bundles)])
    print(f"{app} serves {', '.join(names)}; in the environment of MONAI Label start it with")
    print(f"python -m monailabel.main start_server --app {app} --studies SCANS --host 127.0.0.1 --port 8000")


def _assemble(bundle: str, *bundles: str, check: bool = False) -> None:
    """Write the configs of each bundle from the recipe and its dataset.yaml; with --check only compare."""
    from llmsegnet_bundle.bundles import assemble

    for folder in (bundle, *bundles):
        assemble(str(folder), check)


def _bank(output: str, *embeddings: str) -> None:
    """Write the vectors of embedding files into one bank (.npz) of labels and float16 vectors; docs/text.md."""
    from llmsegnet_bundle.text import export_bank

    export_bank(str(output), [str(file) for file in embeddings])


def _describe(
    output: str,
    *,
    organ: str,
    modality: str,
    model: str,
    model_name: str | None = None,
    class_names: Sequence[str] | str | None = None,
    dataset_dir: str | None = None,
    datalist: str | None = None,
    labeled: int | str | None = None,
    validation: int = 12,
    decoding: dict[str, Any] | None = None,
    seed: int = 0,
    timeout_s: float = 60.0,
) -> None:
    """Ask a language model about an organ and write its texts; read them before you `embed` them; docs/text.md.

    --model is a Hugging Face id, a folder, a GGUF file, or the URL of an OpenAI-compatible server with --model_name.
    --class_names "necrosis,edema" asks about each class. --dataset_dir tells the model what the labels measure.
    """
    from llmsegnet_bundle.cases.survey import survey_labeled
    from llmsegnet_bundle.text import check_absent, describe_organ, measured_sentences, open_model

    check_absent(str(output))
    facts = None if dataset_dir is None else survey_labeled(str(dataset_dir), datalist, labeled, validation)
    measured = measured_sentences(facts, organ, modality) if facts else []
    language_model = open_model(str(model), model_name, decoding, seed, timeout_s, _api_key())
    describe_organ(str(output), organ, modality, language_model, _names(class_names), measured)
    print(f"{output}: written by {language_model.name}; read it, models err")


def _embed(texts: Sequence[str] | str, output: str, *, encoder: str, like: str | None = None) -> None:
    """Encode the texts of a YAML file, or of several organs' files with commas between, into an embedding file.

    --encoder is sentence:ID, causal_lm:ID, token_ids:ID (a Hugging Face id, folder or GGUF file), bank:FILE.npz, or
    random, constant or one_hot of the size of --like FILE.safetensors; docs/text.md.
    """
    from llmsegnet_bundle.text import embed

    files = _names(texts) or []
    embed(files[0] if len(files) == 1 else files, str(output), str(encoder), None if like is None else str(like))


def _halve(model_file: str, output: str) -> None:
    """Write weights in half precision, for sharing."""
    from llmsegnet_bundle.networks.weights import halve_weights

    halve_weights(str(model_file), str(output))


def _phantom(folder: str, scans: int = 16, seed: int = 0) -> None:
    """Write a data set of left-atrium-like phantom scans."""
    from pathlib import Path

    from llmsegnet_bundle.tools.phantom import write_phantom

    write_phantom(Path(str(folder)), scans=scans, seed=seed)


def _benchmark(
    what: str = "step",
    crop: tuple[int, int, int] = (112, 112, 80),
    repeats: int = 2,
    bundle: str = "bundles/left_atrium",
    dataset_dir: str = "../shared/data/left_atrium",
    scans: int = 1,
    plot: str = "",
) -> None:
    """Measure step, authors_step, arithmetic, scan, start, processes, size, many, big or all; docs/performance.md."""
    from llmsegnet_bundle.tools.benchmark import benchmark

    benchmark(what, crop, repeats, bundle, dataset_dir, scans, plot)


def _demo(folder: str = "runs/demo", seed: int = 0, table: bool = False) -> None:
    """Train the pair and the labeled-only baseline on phantom scans, compare them, and segment a new scan.

    --table trains three seeds and writes docs/demo.md instead.
    """
    from pathlib import Path

    from llmsegnet_bundle.tools.demo import demo, write_table

    if table:
        write_table(Path(str(folder)))
    else:
        demo(Path(str(folder)), seed)


def _evaluate(
    pred_dir: str,
    label_dir: str,
    output_dir: str,
    classes: Sequence[str] | str = "background,foreground",
    regions: dict[str, list[int]] | None = None,
    preset: str = "standard",
    tolerance_mm: float = 1.0,
    workers: int | None = None,
) -> None:
    """Score a folder of masks against labels; --classes "background,necrosis,edema" --regions '{"whole": [1, 2]}'."""
    from llmsegnet_bundle.evaluation import evaluate

    names = classes if isinstance(classes, list | tuple) else str(classes).split(",")
    evaluate(
        str(pred_dir),
        str(label_dir),
        str(output_dir),
        [str(name).strip() for name in names],
        regions,
        preset,
        tolerance_mm,
        workers,
    )


def _compare(a: str, b: str, output: str | None = None) -> None:
    """Compare two evaluated runs case by case: differences, bootstrap intervals, Wilcoxon's test."""
    from llmsegnet_bundle.evaluation import compare

    compare(str(a), str(b), None if output is None else str(output))


def _split(
    dataset_dir: str,
    output: str,
    labeled: int | str | None = None,
    validation: int | str | None = None,
    test: int | str = 0,
    train: str | None = None,
    exclude: str | None = None,
    folds: int | None = None,
    seed: int | None = None,
    preset: str | None = None,
    in_channels: int = 1,
    patient: str | None = None,
) -> None:
    r"""Write a split file of a folder; lists are numbers, text files of names, or names with commas between.

    --preset takes the published lists: left_atrium, pancreas_ct_mcnet, pancreas_ct_coranet or brats19.
    --patient "patient\d+" (what the name of a scan begins with, or TABLE.csv:COLUMN) keeps a patient in one list.
    """
    from llmsegnet_bundle.cases import make_split

    make_split(
        str(dataset_dir),
        str(output),
        labeled,
        validation,
        test,
        train,
        exclude,
        folds,
        seed,
        preset,
        in_channels=in_channels,
        patient=None if patient is None else str(patient),
    )


def _prepare(
    dataset: str,
    source: str,
    output: str,
    crop: str = "none",
    modality: str = "flair",
    whole_tumor: bool = True,
    workers: int | None = None,
) -> None:
    """Write the download of left_atrium, pancreas_ct or brats19 as NIfTI with split files; docs/data.md."""
    from llmsegnet_bundle.locks import locked
    from llmsegnet_bundle.prepare import prepare

    with locked(str(output), "prepare", "output"):
        prepare(dataset, str(source), str(output), crop, modality, whole_tumor, workers)


def _label_demo(folder: str = "runs/label-demo") -> None:
    """Serve all bundles in MONAI Label on phantom scans, and do what an annotator does by a scripted client."""
    from pathlib import Path

    from llmsegnet_bundle.tools.label_demo import LabelDemo

    LabelDemo(Path(str(folder))).run()


def _new(
    bundle: str,
    organ: str,
    modality: str,
    dataset_dir: str,
    class_names: Sequence[str] | str | None = None,
    language_model: str | None = None,
    model_name: str | None = None,
    encoder: str | None = None,
    datalist: str | None = None,
) -> None:
    """Look at the scans of a folder and write a bundle that trains on them; docs/new.md."""
    from llmsegnet_bundle.planning import new_bundle
    from llmsegnet_bundle.text import check_absent, open_model

    check_absent(str(bundle))
    model = open_model(language_model, model_name, api_key=_api_key()) if language_model else None
    split = None if datalist is None else str(datalist)
    new_bundle(str(bundle), organ, modality, str(dataset_dir), _names(class_names), model, encoder, split)


def _names(given: Sequence[str] | str | None) -> list[str] | None:
    names = given.strip("[] ").split(",") if isinstance(given, str) else given  # brackets as of a list stay with a text
    return None if names is None else [str(name).strip() for name in names]


def _api_key() -> str | None:
    return os.environ.get("LLMSEGNET_API_KEY") or os.environ.get("OPENAI_API_KEY")


def _report(
    run_dir: str, baseline: str | None = None, dataset_dir: str | None = None, output: str | None = None
) -> None:
    """Write the HTML report of a run, from the output_dir of its training and evaluation."""
    from llmsegnet_bundle.report import write_report

    paths = (None if path is None else str(path) for path in (baseline, dataset_dir, output))
    print(write_report(str(run_dir), *paths))


def _undo(bundle: str) -> None:
    """Put the weights back that the last training of BUNDLE took the place of, for the next one to start from.

    A second undo takes the first back; docs/monai-label.md.
    """
    from pathlib import Path

    from llmsegnet_bundle.annotation.undo import undo_training

    print(undo_training(Path(str(bundle))))


def _settings(name: str | None = None, docs: str | None = None, check: bool = False) -> None:
    """List what a run may be given, or tell what the setting NAME may be.

    --docs FOLDER writes the tables of those pages instead; with --check only compare.
    """
    from llmsegnet_bundle.settings import tables

    if docs is not None:
        tables.write_pages(str(docs), check)
    else:
        print(tables.list_settings() if name is None else tables.describe_setting(str(name)))


def _segment(source: str, output: str, bundle: str = "left_atrium", **settings: Any) -> None:
    """Write the mask of a scan, or of each scan of a folder, into the folder OUTPUT; docs/inference.md.

    --bundle is a name or a folder. Ids of its inference.json follow, as in --largest_component True --device cpu
    --format dicom-seg.
    """
    from llmsegnet_bundle.inference.segmenter import segment_files

    segment_files(str(source), str(output), str(bundle), **settings)


def _download(name: str, source: str, sha256: str | None = None) -> None:
    """Fetch a bundle into the user's cache, where `segment --bundle NAME` finds it; docs/sharing.md.

    --source is the URL or path of a zip, or hf://OWNER/REPOSITORY; --sha256 what the zip must have.
    """
    from llmsegnet_bundle.sharing import download_bundle

    print(download_bundle(str(name), str(source), None if sha256 is None else str(sha256)))


def _package(bundle: str, output_dir: str = ".", weights_url: str | None = None) -> None:
    """Pack a bundle with weights into BUNDLE-vVERSION.zip; docs/sharing.md."""
    from llmsegnet_bundle.sharing import package_bundle

    print(package_bundle(str(bundle), str(output_dir), weights_url))


def _publish(bundle: str, repository: str, dry_run: bool = True, private: bool = True) -> None:
    """Upload a bundle to OWNER/REPOSITORY of the Hugging Face Hub; only --dry_run False does; docs/sharing.md."""
    from llmsegnet_bundle.sharing import publish_bundle

    for flag in (dry_run, private):
        if not isinstance(flag, bool):
            raise ValueError(f"dry_run and private: must be True or False, got {flag!r}")
    print("\n".join(publish_bundle(str(bundle), str(repository), dry_run, private)))
    print("not uploaded; --dry_run False uploads it" if dry_run else f"uploaded to {repository}")


def _view(
    scan: str, mask: str, output: str | None = None, label: str | None = None, uncertainty: str | None = None
) -> None:
    """Write an HTML page of a scan and its mask in three planes; docs/report.md.

    --label adds another mask, --uncertainty a map of numbers such as NAME_entropy.nii.gz.
    """
    from pathlib import Path

    from llmsegnet_bundle.report import write_viewer
    from llmsegnet_bundle.scans import case_name

    page = Path(f"{case_name(str(mask))}.html") if output is None else str(output)
    print(write_viewer(str(scan), str(mask), page, *(None if x is None else str(x) for x in (label, uncertainty))))


def _restore(kept: str, model_file: str | None = None) -> None:
    """Put weights back that a training took the place of; docs/training.md.

    KEPT is the file that the training named, or the folder of its state for the last one kept there. MODEL_FILE is
    where they go: the bundle's model.pt by default. What lies there now is kept in turn.
    """
    from llmsegnet_bundle.networks.kept import restore_weights

    print(restore_weights(str(kept), None if model_file is None else str(model_file)))


COMMANDS: dict[str, Callable[..., Any]] = {
    "ablate": _ablate,
    "annotate": _annotate,
    "assemble": _assemble,
    "bank": _bank,
    "benchmark": _benchmark,
    "compare": _compare,
    "demo": _demo,
    "describe": _describe,
    "download": _download,
    "embed": _embed,
    "evaluate": _evaluate,
    "halve": _halve,
    "label_demo": _label_demo,
    "new": _new,
    "package": _package,
    "phantom": _phantom,
    "prepare": _prepare,
    "publish": _publish,
    "report": _report,
    "restore": _restore,
    "segment": _segment,
    "settings": _settings,
    "split": _split,
    "undo": _undo,
    "view": _view,
}


def main() -> None:
    """Run one command; bad input ends with one line and status 1."""
    try:
        check_usage(COMMANDS, sys.argv[1:])
        fire.Fire(COMMANDS, name="llmsegnet-bundle")
    except KeyboardInterrupt as error:
        print(told_in_one_line(error), file=sys.stderr)
        sys.exit(128 + signal.SIGINT)  # as shells have it
    except Exception as error:
        told = told_in_one_line(error)
        if told is None and not isinstance(error, ValueError | OSError):
            raise
        sys.exit(told or str(error))


if __name__ == "__main__":
    main()
