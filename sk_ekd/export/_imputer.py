"""Convert a SimpleImputer, in the form that skl2onnx calls.

Its own converter reads no float64, leaves out the marks of what was missing, and takes
no text with missing values.
"""

import numpy as np

# what becomes of missing values where all are strings
MISSING_TEXTS = ["", "nan", "None", "<NA>", "NaT"]


def infer_shape(operator):
    """Set the type of the output: that of the inputs."""
    kind, imputer = type(operator.inputs[0].type), operator.raw_operator
    n_marks = 0 if imputer.indicator_ is None else len(imputer.indicator_.features_)
    width = np.count_nonzero(_is_kept(imputer)) + n_marks
    operator.outputs[0].type = kind([None, int(width)])


def convert(scope, operator, container):
    """Add nodes that impute and, where the imputer does, mark what was missing."""
    from skl2onnx.algebra import onnx_ops
    from skl2onnx.common.data_types import guess_proto_type

    imputer, versions = operator.raw_operator, {"op_version": container.target_opset}
    dtype = guess_proto_type(operator.inputs[0].type)
    X = onnx_ops.OnnxConcat(*operator.inputs, axis=1, **versions)
    is_missing = _find_missing(X, imputer.missing_values, dtype, versions)
    fill = _fill(imputer, dtype)
    imputed = onnx_ops.OnnxWhere(is_missing, fill, X, **versions)
    kept = np.flatnonzero(_is_kept(imputer))
    parts = [onnx_ops.OnnxGather(imputed, kept, axis=1, **versions)]
    if imputer.indicator_ is not None:
        columns = imputer.indicator_.features_.astype(np.int64)
        marks = onnx_ops.OnnxGather(is_missing, columns, axis=1, **versions)
        parts.append(onnx_ops.OnnxCast(marks, to=dtype, **versions))
    onnx_ops.OnnxConcat(
        *parts, axis=1, output_names=operator.outputs[:1], **versions
    ).add_to(scope, container)


def _find_missing(X, mark, dtype, versions):
    """Return where values are missing, as nodes."""
    from onnx import TensorProto
    from skl2onnx.algebra import onnx_ops

    if dtype == TensorProto.STRING:
        texts = [mark] if isinstance(mark, str) else MISSING_TEXTS
        found = onnx_ops.OnnxLabelEncoder(
            X,
            keys_strings=texts,
            values_int64s=[1] * len(texts),
            default_int64=0,
            op_version=2,
        )
        return onnx_ops.OnnxCast(found, to=TensorProto.BOOL, **versions)
    if mark is None or mark != mark:
        return onnx_ops.OnnxIsNaN(X, **versions)
    kind = np.float64 if dtype == TensorProto.DOUBLE else np.float32
    return onnx_ops.OnnxEqual(X, np.array([mark], dtype=kind), **versions)


def _fill(imputer, dtype):
    """Return what each column is filled with (d,)."""
    from onnx import TensorProto

    fill = np.where(_is_kept(imputer), imputer.statistics_, 0)
    if dtype == TensorProto.STRING:
        return np.array([str(text) for text in fill])
    return fill.astype(np.float64 if dtype == TensorProto.DOUBLE else np.float32)


def _is_kept(imputer):
    """Return whether the imputer keeps each column; some had no value at all."""
    statistics = imputer.statistics_
    if imputer.keep_empty_features:
        return np.ones(len(statistics), dtype=bool)
    return np.array([value == value and value is not None for value in statistics])
