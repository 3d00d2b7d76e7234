package workspace

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// folderInfo makes a folder and looks at it.
func folderInfo(t *testing.T, dir, name string) fs.FileInfo {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	info, err := os.Lstat(filepath.Join(dir, name))
	must(t, err)
	return info
}

func TestAFolderIsKnownUntilSomethingIsTakenOut(t *testing.T) {
	var d durables
	dir := t.TempDir()
	a, b := folderInfo(t, dir, "a"), folderInfo(t, dir, "b")
	if d.has("/a", a) {
		t.Error("known before it was made durable")
	}
	d.add("/a", a, d.removals())
	if !d.has("/a", a) || d.has("/b", b) {
		t.Errorf("has(/a) = %v, has(/b) = %v", d.has("/a", a), d.has("/b", b))
	}
	if d.has("/a", b) {
		t.Error("another folder of the same path counts as the one that was made durable")
	}
	before := d.removals()
	d.forget()
	if d.has("/a", a) {
		t.Error("known after something was taken out")
	}
	if d.add("/a", a, before); d.has("/a", a) {
		t.Error("one that was looked at before something was taken out became known")
	}
}

func TestKnownFoldersAreBounded(t *testing.T) {
	var d durables
	info := folderInfo(t, t.TempDir(), "x")
	for i := range 3 * durablesMost {
		d.add("/"+string(rune('a'+i)), info, d.removals())
	}
	if n := len(d.folders); n > durablesMost {
		t.Errorf("%d folders are remembered", n)
	}
}

func TestWhatWasMadeAgainIsMadeDurableAgain(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	known := func() bool {
		info, err := os.Lstat(filepath.Join(dir, alice, "out", "run"))
		must(t, err)
		return w.account(alice).known.has("/out/run", info)
	}
	put(t, w, "/out/run/a", "x")
	if !known() {
		t.Fatal("the folder of a file that was put is not known to be durable")
	}
	_, err := w.Delete(t.Context(), alice, "/out", DeleteOptions{Recursive: true})
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(dir, alice, "out", "run"), 0o755))
	if known() {
		t.Error("a folder that somebody made after a delete counts as durable")
	}
	put(t, w, "/out/run/b", "x")
	must(t, os.RemoveAll(filepath.Join(dir, alice, "out", "run"))) // behind our back
	source, _ := results(t)
	since := w.account(alice).known.removals()
	in, err := w.Import(t.Context(), alice, Import{Source: source, Mark: "7", Targets: []string{"/out/run/mine"}})
	if err != nil || in.Path != "/out/run/mine" {
		t.Fatalf("Import() = %v, %v", in, err)
	}
	if w.account(alice).known.removals() == since {
		t.Error("nothing was forgotten as the import made its folder again")
	}
}
