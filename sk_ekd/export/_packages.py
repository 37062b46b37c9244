"""Import the packages of the extra where they are needed."""

from importlib import import_module


def need(name):
    """Import a package or a part of it, or say how it is installed."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"to_onnx needs {package}: pip install 'sk_ekd[export]'."
        ) from error
