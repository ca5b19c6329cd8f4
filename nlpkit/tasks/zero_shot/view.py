"""What people see of zero-shot classification: labels that are named at the time are shown as any others."""

from __future__ import annotations

from nlpkit.tasks.text_classification.view import ClassificationView
from nlpkit.tasks.zero_shot.task import ZeroShotClassification


class ZeroShotView(ClassificationView):
    """The view of the text classification that is asked."""

    def __init__(self, task: ZeroShotClassification) -> None:
        super().__init__(task.classifier)
