"""Convert fitted models of other libraries to ONNX, each by the converter it has."""

import copy
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from . import _imputer
from ._packages import need
from ._trees import send_missing, with_finite_thresholds

OPSET = 18
TARGET = {"": OPSET, "ai.onnx.ml": 3}


# --- Steps ----------------------------------------------------------------------------


def convert_steps(steps, inputs):
    """Convert the steps before a model; `inputs` are names, types and widths."""
    types = [(name, _skl2onnx_type(dtype, width)) for name, dtype, width in inputs]
    with _bools_as_ints():
        try:
            return _convert_sklearn(steps, types)
        except ImportError:
            raise
        except Exception as error:  # of its own types, and any other
            name, step = _find_culprit(steps, types)
            raise ValueError(
                f"Step {name!r} of the student, a {type(step).__name__}, cannot be "
                f"converted to ONNX: {first_line(error)} Put it before the distiller, "
                "or use another one, or student=None, whose preprocessing can."
            ) from error


def _find_culprit(steps, types):
    """Return the first step that cannot be converted, after those before it."""
    for i in range(len(steps.steps) - 1):
        try:
            _convert_sklearn(Pipeline(steps.steps[: i + 1]), types)
        except Exception:
            return steps.steps[i]
    return steps.steps[-1]


def _convert_sklearn(model, types, **options):
    """Convert a model or a Pipeline of scikit-learn, of inputs of these types."""
    return need("skl2onnx").convert_sklearn(
        model,
        initial_types=types,
        target_opset=TARGET,
        custom_conversion_functions={SimpleImputer: _imputer.convert},
        custom_shape_calculators={SimpleImputer: _imputer.infer_shape},
        **options,
    )


def _skl2onnx_type(dtype, width):
    """Return the type of an input (n, width) as skl2onnx writes it."""
    data_types = need("skl2onnx.common.data_types")
    types = {
        "float32": data_types.FloatTensorType,
        "float64": data_types.DoubleTensorType,
        "text": data_types.StringTensorType,
    }
    return types[dtype]([None, width])


# --- Classifiers ----------------------------------------------------------------------


def convert_classifier(model, width, dtype):
    """Convert a classifier of rows (n, width) -> a model, the name of its (n, c)."""
    library = type(model).__module__.split(".")[0]
    convert = {
        "lightgbm": _convert_lightgbm,
        "xgboost": _convert_xgboost,
        "catboost": _convert_catboost,
    }.get(library, _convert_classifier)
    try:
        converted = convert(model, width, dtype)
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"The student, a {type(model).__name__}, cannot be converted to ONNX: "
            f"{first_line(error)} Use another one, or student=None."
        ) from error
    for node in converted.graph.node:
        if node.op_type == "ZipMap":  # a dict for each row, of the array before it
            proba = node.input[0]
            converted.graph.node.remove(node)
            return converted, proba
    return converted, converted.graph.output[1].name


def _convert_classifier(model, width, dtype):
    types = [("X", _skl2onnx_type(dtype, width))]
    model = with_finite_thresholds(model)
    options = {id(model): {"zipmap": False}}
    with _bools_as_ints():
        converted = _convert_sklearn(model, types, options=options)
    send_missing(model, converted)
    return converted


def _convert_lightgbm(model, width, dtype):
    types = _onnxmltools_types(width)
    return need("onnxmltools").convert_lightgbm(
        model, initial_types=types, zipmap=False
    )


def _convert_xgboost(model, width, dtype):
    types = _onnxmltools_types(width)
    model = copy.deepcopy(model)
    model.get_booster().feature_names = None  # else they must be f0, f1 and so on
    return need("onnxmltools").convert_xgboost(model, initial_types=types)


def _onnxmltools_types(width):
    data_types = need("onnxmltools.convert.common.data_types")
    return [("X", data_types.FloatTensorType([None, width]))]


def _convert_catboost(model, width, dtype):
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        model.save_model(str(path), format="onnx")
        return onnx.load(path)


def first_line(error):
    """Return what an error says first, as a sentence."""
    return str(error).strip().partition("\n")[0].rstrip(".")[:300] + "."


def root_of(error):
    """Return the error that an error was first raised for."""
    while error.__cause__:
        error = error.__cause__
    return error


@contextmanager
def _bools_as_ints():
    """Let skl2onnx pass bools as integers of an attribute: protobuf 7 takes none.

    HistGradientBoostingClassifier has some.
    """
    from onnx import helper

    make_attribute = helper.make_attribute

    def make(key, value, *args, **kwargs):
        if isinstance(value, (list, tuple)):
            value = [int(v) if isinstance(v, (bool, np.bool_)) else v for v in value]
        return make_attribute(key, value, *args, **kwargs)

    helper.make_attribute = make
    try:
        yield
    finally:
        helper.make_attribute = make_attribute
