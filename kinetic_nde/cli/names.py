"""The files that the commands write into their folders."""

REPORT = "report.json"

CLASSIFY = ("classification.png", "classes.csv", REPORT)
FIT = ("fit.png", "parameters.csv", REPORT)
PREDICT = ("prediction.png", "steady_states.csv", REPORT)
REGRESS = ("regression.png", REPORT)
COMPARE = ("comparison.png", REPORT)  # of retrain, where nothing is retrained
RETRAIN = (*COMPARE, "before_after.png", "training.png", "densities.png", "history.csv")

EVERY = frozenset(name for names in (CLASSIFY, FIT, PREDICT, REGRESS, RETRAIN) for name in names)
