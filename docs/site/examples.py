"""What mkdocstrings needs to show the package's docstrings: "Example:" becomes the "Examples:" that it knows."""

import griffe


class Examples(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
