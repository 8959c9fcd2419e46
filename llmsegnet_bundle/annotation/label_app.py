"""The app that MONAI Label serves: bundles that segment, learn, and say which scan to annotate next.

This module and those named `label_` need MONAI Label, in whose environment alone they are imported.
"""

from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.app import MONAILabelApp
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

import llmsegnet_bundle
from llmsegnet_bundle.annotation.label_active import DoubtScoring, MostDoubtful, is_scored
from llmsegnet_bundle.annotation.label_infer import InferTask
from llmsegnet_bundle.annotation.label_store import refuse_bad_labels
from llmsegnet_bundle.annotation.label_train import TrainTask
from llmsegnet_bundle.sharing.finding import is_bundle


class LabelApp(MONAILabelApp):
    """Serve each bundle of `<app_dir>/model`.

    Args:
        app_dir: of `making.make_app`.
        studies: folder of scans, or what else MONAI Label takes.
        conf: of the command line: "models", names with commas between, for some of the bundles.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        wanted = [name.strip() for name in conf.get("models", "").split(",") if name.strip()]
        found = {place.name: place for place in sorted((Path(app_dir) / "model").iterdir()) if is_bundle(place)}
        if unknown := [name for name in wanted if name not in found]:
            raise ValueError(f"models: {app_dir} has no bundle {unknown[0]}; it has {', '.join(found)}")
        self.bundles = {name: place for name, place in found.items() if name in wanted or not wanted}
        super().__init__(
            app_dir,
            studies,
            conf,
            name="LLM-SegNet",
            description="Semi-supervised segmentation guided by language-model text",
            version=llmsegnet_bundle.__version__,
        )

    def init_datastore(self) -> Any:
        store = super().init_datastore()
        if isinstance(store, LocalDatastore):
            refuse_bad_labels(store, list(self.bundles.values()))
        return store

    def init_infers(self) -> dict[str, InferTask]:
        trained = [name for name, place in self.bundles.items() if (place / "models" / "model.pt").is_file()]
        known = getattr(self, "_infers", {})
        return {name: known.get(name) or InferTask(str(self.bundles[name]), self.conf) for name in trained}

    def init_trainers(self) -> dict[str, TrainTask]:
        return {name: TrainTask(str(place), self.conf) for name, place in self.bundles.items()}

    def init_strategies(self) -> dict[str, Any]:
        order = sorted(self.bundles, key=lambda name: name not in self._infers)  # a client takes the first at its start
        doubt = {f"doubt_{name}": MostDoubtful(name) for name in order}
        return {**doubt, "random": Random(), "first": First()}

    def init_scoring_methods(self) -> dict[str, DoubtScoring]:
        return {f"doubt_{name}": DoubtScoring(name, place) for name, place in self.bundles.items()}

    def info(self) -> dict[str, Any]:
        """Tell also of bundles that got their first weights after the start."""
        self._infers = self.init_infers()
        return super().info()

    def async_scoring(self, method: str | None, params: dict[str, Any] | None = None) -> Any:
        """Score where that is not done yet; MONAI Label asks for it at the start, for each scan and after trainings."""
        if method:
            return super().async_scoring(method, params)
        return {
            name: super(LabelApp, self).async_scoring(name, params)
            for name, scoring in self._scoring_methods.items()
            if not is_scored(scoring, self.datastore())
        }
