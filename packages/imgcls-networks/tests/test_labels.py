import pytest
from imgcls_networks.errors import RequestError
from imgcls_networks.labels import read_labels


def test_imagenet_is_in_the_standard_order():
    """Sorted WordNet ids; some lists in circulation call the axolotl 26, which is the common newt."""
    classes = read_labels("imagenet1k")
    assert len(classes) == 1000
    wnids = {0: "n01440764", 26: "n01630670", 29: "n01632777", 35: "n01667114"}
    assert {i: classes[i].wnid for i in wnids} == wnids
    assert [entry.wnid for entry in classes] == sorted(entry.wnid for entry in classes)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "cat\ndog\n\n"),
        ("a.csv", "class_id,label\n1,dog\n0,cat\n"),
        ("bom.csv", "\ufeffclass_id,label\n0,cat\n1,dog\n"),
        ("a.json", '["cat", "dog"]'),
        ("a.json", '{"0": "cat", "1": "dog"}'),
        ("keras.json", '{"0": ["n1", "cat"], "1": ["n2", "dog"]}'),
    ],
)
def test_labels_are_read_from_every_usual_form(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [entry.label for entry in read_labels(str(tmp_path / name))] == ["cat", "dog"]


def test_names_in_any_script_are_kept(tmp_path):
    (tmp_path / "a.txt").write_text("Kröte\n金魚\nปลา 🐟\n", encoding="utf-8")
    assert [entry.label for entry in read_labels(str(tmp_path / "a.txt"))] == ["Kröte", "金魚", "ปลา 🐟"]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "cat\ndog\ncat\n", "use the name 'cat' for 2 classes"),
        ("a.txt", "cat\n\ndog\n", "have no name for class 1"),
        ("a.txt", "", "without gaps; found 0 classes"),
        ("a.csv", "id,name\n0,cat\n", "has the columns ['id', 'name']; it needs class_id and label"),
        ("a.csv", "class_id,label\n0,cat\n2,dog\n", "without gaps; found 2 classes, from 0 to 2"),
        ("a.csv", "class_id,label\n0,cat\n0,dog\n", "names class 0 twice"),
        ("a.csv", "class_id,label\nx,cat\n", "has the class id 'x'; it must be a number"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "5", "must hold a JSON list of names or an object"),
        ("a.json", '{"0": 5}', "has 5 for class 0; it must be a name"),
    ],
)
def test_wrong_labels_are_refused_in_one_sentence(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RequestError) as refused:
        read_labels(str(tmp_path / name))
    assert sentence in str(refused.value)
    assert name in str(refused.value)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("Kröte\n".encode("latin-1"))
    with pytest.raises(RequestError, match="cannot be read as UTF-8 text"):
        read_labels(str(tmp_path / "a.txt"))
