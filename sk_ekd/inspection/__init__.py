"""Look at a fitted distiller: a report, and figures of its training and teachers.

The figures have labels beside their axes. If you pass `ax`, let its figure make room
for them, as in ``plt.subplots(1, 2, layout="constrained")``.
"""

from ._agreement import agreement_report
from ._compare import compare
from ._disagreement import DisagreementDisplay
from ._latency import LatencyDisplay
from ._quality import expected_calibration_error
from ._recommend import recommend
from ._report import distillation_report
from ._set_aside import UncertaintyDisplay
from ._teacher_share import TeacherShareDisplay
from ._teacher_weight import TeacherWeightDisplay
from ._training import TrainingDisplay
from ._uncertainty import uncertainty

__all__ = [
    "DisagreementDisplay",
    "LatencyDisplay",
    "TeacherShareDisplay",
    "TeacherWeightDisplay",
    "TrainingDisplay",
    "UncertaintyDisplay",
    "agreement_report",
    "compare",
    "distillation_report",
    "expected_calibration_error",
    "recommend",
    "uncertainty",
]
