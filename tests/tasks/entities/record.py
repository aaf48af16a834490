"""Record what seqeval says of random texts: `python -m tests.tasks.entities.record`, with seqeval 1.2.2 installed.

seqeval brings scikit-learn and SciPy along, which would make every process of the suite that imports torchmetrics start
a fifth more slowly. So its answers are kept, and seqeval is not.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

ANSWERS = Path(__file__).parent / "seqeval.json"
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXTS = 400


def main() -> None:
    """Write texts of up to five documents of up to twelve tokens, and their scores."""
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    chance = random.Random(0)
    rows = []
    for _ in range(TEXTS):
        lengths = [chance.randint(1, 12) for _ in range(chance.randint(1, 5))]
        right = chance.choice([0.0, 0.5, 0.9])  # how often a prediction is the gold tag for sure
        gold = [[chance.randrange(len(NAMES)) for _ in range(length)] for length in lengths]
        predicted = [
            [tag if chance.random() < right else chance.randrange(len(NAMES)) for tag in document] for document in gold
        ]
        named = [[[NAMES[tag] for tag in document] for document in tags] for tags in (gold, predicted)]
        strict = {"mode": "strict", "scheme": IOB2}
        scores = {
            name: [score(*named, zero_division=0, **mode) for score in (f1_score, precision_score, recall_score)]
            for name, mode in (("strict", strict), ("lenient", {}))
        }
        written = [["".join(map(str, document)) for document in tags] for tags in (gold, predicted)]
        rows.append(json.dumps({"gold": written[0], "predicted": written[1]} | scores))
    ANSWERS.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
