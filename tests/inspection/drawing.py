"""How the tests draw each display."""

from sk_ekd.inspection import (
    DisagreementDisplay,
    LatencyDisplay,
    TeacherWeightDisplay,
    TrainingDisplay,
    UncertaintyDisplay,
)


def draw_training(shown, **options):
    return TrainingDisplay.from_estimator(shown.distiller, **options)


def draw_weights(shown, **options):
    return TeacherWeightDisplay.from_estimator(shown.distiller, **options)


def draw_disagreement(shown, y=None, **options):
    y = shown.partly if y is None else y
    return DisagreementDisplay.from_estimator(shown.distiller, shown.X, y, **options)


def draw_latency(shown, **options):
    return LatencyDisplay.from_report(shown.report, **options)


def draw_uncertainty(shown, **options):
    return UncertaintyDisplay.from_estimator(
        shown.distiller, shown.X, shown.y, **options
    )


def names_in_legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]
