"""What makes a run of a plan the one it is."""

from llmsegnet_bundle.ablation.plan import Plan, Variant
from llmsegnet_bundle.settings.written import as_json

Identity = dict[str, list]  # name -> (as written, its value), as `run.changed` compares them


def identity(plan: Plan, variant: Variant) -> Identity:
    """Return all that a variant's training follows from, and the variants whose runs it starts from, as JSON has it.

    Settings are those of its config as written (`run.Run`), with what the plan overrides also where a run that
    continues may change it: a finished run is not trained on. Texts stay as the plan has them, so that the folder of
    all runs may move.
    """
    told = {"bundle": str(plan.bundle), **variant.written, **variant.overrides}
    own = {name: [value, value] for name, value in as_json(told).items()}
    for name in variant.starts_from:
        own |= {f"{name}: {key}": value for key, value in identity(plan, plan.variant(name)).items()}
    return own
