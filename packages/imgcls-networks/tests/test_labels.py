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
        ("class_to_idx.json", '{"dog": 1, "cat": 0}'),
        (
            "config.json",
            '{"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}, "label2id": {}}',
        ),
        ("config.json", '{"architecture": "resnet18", "label_names": ["cat", "dog"]}'),
        ("index_to_name.json", '{"0": "cat", "1": "dog"}'),
        ("a.yaml", "- cat\n- dog\n"),
        ("a.yml", "0: cat\n1: dog\n"),
        ("data.yaml", "path: ../x\nnc: 2\nnames:\n  0: cat\n  1: dog\n"),
        ("data.yaml", "names: [cat, dog]\n"),
        ("a.yaml", "cat: 0\ndog: 1\n"),
        ("a.yaml", "class_to_idx: {cat: 0, dog: 1}\n"),
        ("numbered.txt", "0: cat\n1: dog\n"),
        ("numbered.txt", "1 dog\n0 cat\n"),
        ("behind.txt", "cat 0\ndog 1\n"),
        ("dictionary.txt", "{0: 'cat',\n 1: 'dog'}"),
        ("json.txt", '["cat", "dog"]'),
        ("synset_words.txt", "n02121808 cat\nn02084071 dog\n"),
        ("table.txt", "class_id,label\n0,cat\n1,dog\n"),
        ("headless.csv", "0,cat\n1,dog\n"),
        ("headless.csv", "cat,0\ndog,1\n"),
        ("excel.csv", "class_id;label\n0;cat\n1;dog\n"),
        ("a.tsv", "class_id\tlabel\n0\tcat\n1\tdog\n"),
        ("obj.names", "cat\ndog\n"),
        ("labels", "cat\ndog\n"),
    ],
)
def test_labels_are_read_from_every_usual_form(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [entry.label for entry in read_labels(str(tmp_path / name))] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("a.yaml", "- no\n- on\n- 1e3\n- 007\n- null\n", ["no", "on", "1e3", "007", "null"]),
        ("digits.json", '["0", "1", "2"]', ["0", "1", "2"]),
        ("digits.yaml", "[0, 1, 2]", ["0", "1", "2"]),
        ("digits.yaml", "0: '0'\n1: '1'\n", ["0", "1"]),
        ("digits.txt", "0\n1\n2\n", ["0", "1", "2"]),
        ("a.txt", "tench, Tinca tinca\n3 wheeler\n", ["tench, Tinca tinca", "3 wheeler"]),
        ("a.txt", "Boeing 707\nBoeing 727\n", ["Boeing 707", "Boeing 727"]),
        ("a.txt", "- dash\nplain\n", ["- dash", "plain"]),
        ("a.txt", "0 stars\n1 stars\n2 stars\n", ["0 stars", "1 stars", "2 stars"]),
        ("a.txt", "grade 1\ngrade 2\n", ["grade 1", "grade 2"]),
    ],
)
def test_names_stay_as_they_are_written(tmp_path, name, text, labels):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [entry.label for entry in read_labels(str(tmp_path / name))] == labels


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
        ("a.json", "5", "must hold a list of names, an object from id to name or from name to id"),
        ("a.json", '{"0": "cat", "0": "dog"}', "has '0' twice"),
        ("a.json", '{"0": 1, "1": 0}', "can be read in two ways"),
        ("a.json", '{"cat": 0, "dog": 0}', "names class 0 twice"),
        ("a.json", '{"cat": 1, "dog": 2}', "without gaps; found 2 classes, from 1 to 2"),
        ("a.json", '[{"id": 0, "name": "cat"}]', "it must be a name"),
        ("a.yaml", "0: cat\n0: dog\n", "has 0 twice"),
        ("a.yaml", "a: [b\n", "is not YAML"),
        ("a.yaml", "just text\n", "must hold a list of names"),
        ("a.txt", "names:\n- cat\n- dog\n", "looks like YAML; name it .yaml"),
        ("a.txt", "- cat\n- dog\n", "looks like YAML"),
        ("a.txt", "1: cat\n2: dog\n", "numbers its 2 classes from 1; networks count from 0"),
        ("a.toml", "a = 1\n", "ends in '.toml'; labels are read from text with a name a line, CSV"),
        ("a.xlsx", "cat\n", "ends in '.xlsx'"),
        ("a.csv", "file,class_id\na.png,0\n", "lists labelled images (file, class_id) and names no classes"),
        ("a.json", '{"0": 5}', "can be read in two ways"),
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
