"""What the experiments are called, and their tables as the tests read them."""

NAMES = [
    *(
        "figure1",
        "figure2",
        "figure3",
        "figure4",
        "figure5",
        "figure6",
        "figure7",
        "figure8",
        "figure9",
        "growing_cosine",
        "dobrushin",
        "families",
        "fitting",
        "forbes",
        "grazing",
        "self_similar",
        "two_moons",
        "diabetes",
        "steady_plane",
        "coupled_tanh",
    ),
    "update_cost",
]


def rows(report: str) -> list[list[str]]:
    """The cells of all table rows with a number."""
    lines = [line for line in report.splitlines() if line.startswith("| ") and not line.startswith("| quantity")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
