"""The HTTP contract of an imgcls service as msgspec structs; imports msgspec and nothing else."""

from __future__ import annotations

from imgcls_contract.accuracy import Accuracy, wilson_interval
from imgcls_contract.batch import BatchReply, BatchResult, FailedImage, ImageFault, decode_batch
from imgcls_contract.classification import ClassProbability, ImageAnswer, ModelId, Prediction, StageTimingMs, TimingMs
from imgcls_contract.drift import (
    AnswerHistograms,
    DriftFiguresReply,
    DriftReply,
    DriftStatus,
    ModelDriftReply,
    ReferenceReply,
)
from imgcls_contract.faults import FAULTS, Counterfactual, Explanation, FaultyAnswer, ObservedCase, explain
from imgcls_contract.golden import GoldenCaseReply, GoldenReply
from imgcls_contract.models import ModelReply, ModelsReply
from imgcls_contract.notebooks import classes_html
from imgcls_contract.problems import PROBLEM_MEDIA_TYPE, PROBLEMS, Problem, ProblemDocument
from imgcls_contract.schema import schema_components
from imgcls_contract.state import Gpu, HealthModel, HealthReply, ReadyReply

__all__ = [
    "FAULTS",
    "PROBLEMS",
    "PROBLEM_MEDIA_TYPE",
    "Accuracy",
    "AnswerHistograms",
    "BatchReply",
    "BatchResult",
    "ClassProbability",
    "Counterfactual",
    "DriftFiguresReply",
    "DriftReply",
    "DriftStatus",
    "Explanation",
    "FailedImage",
    "FaultyAnswer",
    "GoldenCaseReply",
    "GoldenReply",
    "Gpu",
    "HealthModel",
    "HealthReply",
    "ImageAnswer",
    "ImageFault",
    "ModelDriftReply",
    "ModelId",
    "ModelReply",
    "ModelsReply",
    "ObservedCase",
    "Prediction",
    "Problem",
    "ProblemDocument",
    "ReadyReply",
    "ReferenceReply",
    "StageTimingMs",
    "TimingMs",
    "classes_html",
    "decode_batch",
    "explain",
    "schema_components",
    "wilson_interval",
]
__version__ = "0.1.0"
