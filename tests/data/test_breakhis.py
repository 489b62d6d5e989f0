import pytest

from imbtk.data.breakhis import class_labels, parse_all, parse_name


def test_a_name_is_taken_apart() -> None:
    name = parse_name("x/SOB_M_DC-14-17614-200-001.png")
    assert name is not None
    assert (name.tumor_class, name.tumor_code, name.tumor_type) == ("malignant", "DC", "ductal_carcinoma")
    assert (name.slide, name.patient, name.magnification, name.sequence) == ("17614", "17614", 200, 1)


@pytest.mark.parametrize(
    ("path", "slide", "patient"),
    [
        ("SOB_M_PC-15-190EF-400-014.png", "190EF", "190"),
        ("SOB_B_A-14-22549AB-40-001.png", "22549AB", "22549"),
        ("SOB_B_A-14-22549CD-40-001.png", "22549CD", "22549"),
        ("SOB_M_LC-14-13412-200-003.png", "13412", "13412"),
        ("SOB_M_DC-14-13412-200-003.png", "13412", "13412"),
    ],
)
def test_a_patient_is_the_digits_of_a_slide(path: str, slide: str, patient: str) -> None:
    name = parse_name(path)
    assert name is not None
    assert (name.slide, name.patient) == (slide, patient)


@pytest.mark.parametrize(
    "path",
    ["cat.png", "SOB_M_XX-14-17614-200-001.png", "SOB_M_DC-14-17614-200.png", "SOB_M_DC-14-17614-200-001 (1).png"],
)
def test_other_names_are_none(path: str) -> None:
    assert parse_name(path) is None
    assert parse_all(["SOB_M_DC-14-17614-200-001.png", path]) is None


def test_what_can_be_filtered_by() -> None:
    name = parse_name("SOB_B_TA-14-3411F-40-001.png")
    assert name is not None
    said = {column: name.column(column) for column in ("class", "magnification", "patient", "tumor_code", "tumor_type")}
    assert said == {
        "class": "benign",
        "magnification": "40",
        "patient": "3411",
        "tumor_code": "TA",
        "tumor_type": "tubular_adenoma",
    }
    assert name.column("colour") is None


FILES = ["SOB_B_A-14-1-40-001.png", "SOB_B_F-14-2-100-001.png", "SOB_M_DC-14-3-40-001.png", "SOB_M_LC-14-4-100-001.png"]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["good", "good", "bad", "bad"], ["good", "good", "bad", "bad"]),
        (["a", "f", "dc", "lc"], ["a", "f", "dc", "lc"]),
        (["histology_slides"] * 4, ["benign", "benign", "malignant", "malignant"]),
        (["40X", "100X", "40X", "100X"], ["benign", "benign", "malignant", "malignant"]),
        ([None] * 4, ["benign", "benign", "malignant", "malignant"]),
    ],
    ids=["by class", "by tumour type", "original tree", "by magnification", "flattened"],
)
def test_the_class_is_a_folder_that_stands_for_it_or_the_name(folders: list[str | None], expected: list[str]) -> None:
    names = parse_all(FILES)
    assert names is not None
    assert class_labels(names, folders) == expected


def test_patients_as_folders_are_no_classes() -> None:
    names = parse_all([*FILES, "SOB_M_LC-14-5-100-001.png"])
    assert names is not None
    assert class_labels(names, ["1", "2", "3", "4", "5"]) == ["benign"] * 2 + ["malignant"] * 3


def test_one_class_alone_is_told_apart_by_tumour_type() -> None:
    names = parse_all(FILES[:2])
    assert names is not None
    assert class_labels(names, [None, None]) == ["adenosis", "fibroadenoma"]
