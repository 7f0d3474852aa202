"""Build a data set's features, train on them, and print the scores: a whole project in a few lines.

python examples/train_and_score.py PROJECT [DATASET]
"""

from __future__ import annotations

import sys

import ssmi


def main(folder: str, dataset: str | None = None) -> None:
    """Train on a data set of a project; None for the first that its params.yaml lists."""
    project = ssmi.open_project(folder)
    for stage in project.build_features(dataset).stages:
        print(f"{stage.name:<10} {stage.state}")

    result = project.train(dataset)
    print(f"\nepoch {result.best_epoch} is the best on dev, weights in {result.run.relative_to(project.root)}")

    evaluation = project.evaluate(dataset)
    print("\ntype         gold       P       R      F1")
    for label, counts in {**evaluation.scores.by_type, "all": evaluation.scores.overall}.items():
        print(f"{label:<10} {counts.gold:>6} {counts.precision:>7.2%} {counts.recall:>7.2%} {counts.f1:>7.2%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
