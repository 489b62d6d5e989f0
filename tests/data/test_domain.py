import pytest

from imbtk.data import DataOptions
from imbtk.data.domain import domain_of

DIGITS = tuple(str(digit) for digit in range(10))


@pytest.mark.parametrize(
    ("name", "class_names", "channels", "breakhis", "expected"),
    [
        ("mnist.npz", DIGITS, 1, False, "digits"),
        ("fashion_mnist.npz", DIGITS, 1, False, "photo"),
        ("mnist.npz", DIGITS, 3, False, "photo"),
        ("mnist.npz", DIGITS[:9], 1, False, "photo"),
        ("arrays", DIGITS, 1, False, "photo"),
        ("pets", ("cat", "dog"), 3, False, "photo"),
        ("pets", ("cat", "dog"), 3, True, "histology"),
        ("/data/idc_patches/index.csv", ("0", "1"), 3, False, "histology"),
        ("/data/Histology", ("0", "1"), 3, False, "histology"),
        ("/data/pathological", ("0", "1"), 3, False, "histology"),
        ("/data/acidic", ("0", "1"), 3, False, "photo"),
    ],
)
def test_the_domain_is_guessed_from_names(
    name: str, class_names: tuple[str, ...], channels: int, breakhis: bool, expected: str
) -> None:
    assert domain_of(DataOptions(), name, class_names, channels, breakhis) == expected


def test_the_user_knows_better() -> None:
    assert domain_of(DataOptions(domain="photo"), "breakhis", ("a", "b"), 3, True) == "photo"
