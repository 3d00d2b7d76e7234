package workspace

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyWhatIsDurableCountsAfterACrash(t *testing.T) {
	w, dir := newWorkspace(t, Options{QuotaBytes: 100 << 20})
	content := make([]byte, uploadSync+3<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(content)
	u := begin(t, w, "/big", sized(len(content)))
	r := newWaitsAt(string(content[:uploadSync+1<<20]))
	ended := make(chan error)
	go func() {
		_, err := w.AppendUpload(context.Background(), alice, u.GetId(), Part{Content: r})
		ended <- err
	}()
	<-r.reached
	crashed := t.TempDir() // what the disk has at that moment
	must(t, os.CopyFS(crashed, os.DirFS(dir)))
	close(r.release)
	must(t, <-ended)
	if got := offsetOf(t, w, u.GetId()); got != uploadSync+1<<20 {
		t.Fatalf("offset %d without a crash", got)
	}
	last := openWorkspace(t, crashed, Options{})
	offset := offsetOf(t, last, u.GetId())
	info, err := os.Stat(filepath.Join(crashed, alice, partName(u.GetId())))
	must(t, err)
	if offset != uploadSync || info.Size() != offset {
		t.Fatalf("offset %d after the crash, and %d bytes are there", offset, info.Size())
	}
	sum := sha256.Sum256(content)
	done, err := last.AppendUpload(t.Context(), alice, u.GetId(), Part{
		Offset: offset, Content: bytes.NewReader(content[offset:]), SHA256: func() []byte { return sum[:] },
	})
	must(t, err)
	if done.GetEntry() == nil || read(t, last, "/big") != string(content) {
		t.Fatal("it is not what was sent")
	}
}

// A process may end between giving a file its path and noting that.
func TestAFileThatIsAtItsPathIsFinishedAfterACrash(t *testing.T) {
	for _, overwrite := range []bool{true, false} {
		t.Run(fmt.Sprint("overwrite ", overwrite), func(t *testing.T) {
			w, dir := newWorkspace(t, Options{})
			o := sized(5)
			o.Overwrite = overwrite
			u := begin(t, w, "/a", o)
			_, err := appendTo(t, w, u.GetId(), 0, "whole")
			must(t, err)
			record := filepath.Join(dir, alice, recordName(u.GetId()))
			var rec uploadRecord
			text, err := os.ReadFile(record)
			must(t, err, json.Unmarshal(text, &rec))
			rec.Stored = nil
			text, err = json.Marshal(rec)
			must(t, err, os.WriteFile(record, text, 0o600))
			if !overwrite {
				must(t, os.Link(filepath.Join(dir, alice, "a"), filepath.Join(dir, alice, partName(u.GetId()))))
			}
			w = openWorkspace(t, dir, Options{})
			found, err := w.GetUpload(t.Context(), alice, u.GetId())
			must(t, err)
			if found.GetEntry() == nil || read(t, w, "/a") != "whole" {
				t.Fatalf("found %v", found)
			}
			if _, err := os.Lstat(filepath.Join(dir, alice, partName(u.GetId()))); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("the bytes are there twice: %v", err)
			}
			wantPending(t, w, amount{})
		})
	}
}

func TestWhatCannotBeGoneOnWithIsRemovedAtTheStart(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	good := begin(t, w, "/good", sized(3))
	short := begin(t, w, "/short", sized(3))
	_, err := appendTo(t, w, short.GetId(), 0, "xx")
	must(t, err)
	lost := begin(t, w, "/lost", sized(3))
	folder := filepath.Join(dir, alice, uploadsDir)
	must(t, os.Truncate(filepath.Join(folder, short.GetId()+partEnd), 1), os.Remove(filepath.Join(folder, lost.GetId()+partEnd)))
	for name, text := range map[string]string{
		"torn.json": "{", "nosum.json": `{"path":"/x","sum":"AAAA"}`, "alone.part": "x", good.GetId() + ".new": "{}",
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	w = openWorkspace(t, dir, Options{})
	if diff := cmp.Diff([]string{good.GetId() + recordEnd, good.GetId() + partEnd}, onDisk(t, folder)); diff != "" {
		t.Fatal(diff)
	}
	_, err = appendTo(t, w, good.GetId(), 0, "ABC")
	must(t, err)
}

// A record that cannot be written makes nothing of the upload durable, and the upload goes on from
// what is.
func TestAnUploadGoesOnFromWhatIsDurableAfterAFault(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	u := begin(t, w, "/a", sized(6))
	_, err := appendTo(t, w, u.GetId(), 0, "AC")
	must(t, err)
	inTheWay := filepath.Join(dir, alice, uploadsDir, u.GetId()+newEnd)
	must(t, os.Mkdir(inTheWay, 0o700))
	if _, err := appendTo(t, w, u.GetId(), 2, "GT"); err == nil {
		t.Fatal("acknowledged what cannot be stored")
	}
	if got := offsetOf(t, w, u.GetId()); got != 2 {
		t.Fatalf("offset %d", got)
	}
	must(t, os.Remove(inTheWay))
	_, err = appendTo(t, w, u.GetId(), 2, "TTGG")
	must(t, err)
	if got := read(t, w, "/a"); got != "ACTTGG" {
		t.Fatalf("stored %q", got)
	}
}
