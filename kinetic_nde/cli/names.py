"""The files that the commands write into their folders."""

CLASSIFY = ("classification.png", "classes.csv", "report.json")
FIT = ("fit.png", "parameters.csv", "report.json")
PREDICT = ("prediction.png", "steady_states.csv", "report.json")
REGRESS = ("regression.png", "report.json")
COMPARE = ("comparison.png", "report.json")  # of retrain, where nothing is retrained
RETRAIN = (*COMPARE, "before_after.png", "training.png", "densities.png", "history.csv")

EVERY = frozenset(name for names in (CLASSIFY, FIT, PREDICT, REGRESS, RETRAIN) for name in names)
