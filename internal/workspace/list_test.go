package workspace

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stint-jobs/stint/internal/job"
)

func TestListShowsFoldersFirst(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	for _, p := range []string{"/b.txt", "/a.txt", "/z/1", "/m/1", "/m/2"} {
		put(t, w, p, "x")
	}
	must(t,
		os.WriteFile(filepath.Join(dir, alice, "bad\xffname"), nil, 0o644),
		os.WriteFile(filepath.Join(dir, alice, "bad\nname"), nil, 0o644),
	)
	if got := shownPaths(t, w, "/"); !slices.Equal(got, []string{"/m", "/z", "/a.txt", "/b.txt"}) {
		t.Fatalf("got %q", got)
	}
	if got := shownPaths(t, w, "m/"); !slices.Equal(got, []string{"/m/1", "/m/2"}) {
		t.Fatalf("got %q", got)
	}
}

func TestListOfWhatIsNoFolder(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	if got := shownPaths(t, w, "/"); len(got) > 0 {
		t.Fatalf("a new owner has %q", got)
	}
	if e, err := w.Stat(t.Context(), alice, "/"); err != nil || !e.GetFolder() {
		t.Fatalf("the root of a new owner is %v, %v", e, err)
	}
	_, err := w.List(t.Context(), alice, "/x", Page{})
	wantError(t, err, job.ErrNotFound)
	put(t, w, "/x", "1")
	_, err = w.List(t.Context(), alice, "/x", Page{})
	wantError(t, err, job.ErrConflict)
	_, err = w.List(t.Context(), alice, "/", Page{Size: -1})
	wantInvalid(t, err, "pageSize")
	_, err = w.List(t.Context(), alice, "/y", Page{})
	wantError(t, err, job.ErrNotFound)
}

func TestPagesTogetherAreTheWholeFolder(t *testing.T) {
	dir := t.TempDir()
	w := openWorkspace(t, dir, Options{})
	rapid.Check(t, func(rt *rapid.T) {
		tree := filepath.Join(dir, alice)
		must(t, os.RemoveAll(tree), os.MkdirAll(tree, 0o755))
		kinds := rapid.MapOfN(rapid.StringMatching(`[a-c./ -]{0,2}[a-zé.][a-c]?`).Filter(fileName), rapid.Bool(), 0, 12).Draw(rt, "folders")
		var want []string
		for name, folder := range kinds {
			want = append(want, "/"+name)
			if folder {
				must(t, os.Mkdir(filepath.Join(tree, name), 0o755))
			} else {
				must(t, os.WriteFile(filepath.Join(tree, name), nil, 0o644))
			}
		}
		slices.SortFunc(want, func(a, b string) int {
			if kinds[a[1:]] != kinds[b[1:]] {
				return map[bool]int{true: -1, false: 1}[kinds[a[1:]]]
			}
			return cmp.Compare(a, b)
		})
		size := rapid.IntRange(1, 5).Draw(rt, "size")
		var got []string
		page := Page{Size: size}
		for {
			l, err := w.List(t.Context(), alice, "/", page)
			must(t, err)
			if len(l.Entries) > size || l.Next != "" && len(l.Entries) < size {
				rt.Fatalf("a page has %d entries, next %q", len(l.Entries), l.Next)
			}
			for _, e := range l.Entries {
				got = append(got, e.GetPath())
			}
			if l.Next == "" {
				break
			}
			page.After = l.Next
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("pages of %d give %q, want %q", size, got, want)
		}
	})
}

func fileName(s string) bool {
	return s != "." && s != ".." && !strings.Contains(s, "/")
}

func TestAPageGoesOnWhereItsEntryWasRemoved(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	for _, p := range []string{"/a", "/b", "/c"} {
		put(t, w, p, "x")
	}
	l, err := w.List(t.Context(), alice, "/", Page{Size: 2})
	must(t, err)
	_, err = w.Delete(t.Context(), alice, "/b", DeleteOptions{})
	must(t, err)
	l, err = w.List(t.Context(), alice, "/", Page{Size: 2, After: l.Next})
	must(t, err)
	if len(l.Entries) != 1 || l.Entries[0].GetPath() != "/c" || l.Next != "" {
		t.Fatalf("the second page is %v", l)
	}
}

func TestOpenReadsFromAnyOffset(t *testing.T) {
	w, _ := newWorkspace(t, Options{})
	put(t, w, "/a", "0123456789")
	f, err := w.Open(t.Context(), alice, "/a")
	must(t, err)
	defer f.Close()
	_, err = f.Seek(4, io.SeekStart)
	must(t, err)
	rest, err := io.ReadAll(f)
	must(t, err)
	part := make([]byte, 2)
	_, err = f.ReadAt(part, 1)
	must(t, err)
	if string(rest) != "456789" || string(part) != "12" || f.Entry.GetSizeBytes() != 10 {
		t.Fatalf("read %q and %q of %v", rest, part, f.Entry)
	}
	put(t, w, "/folder/b", "x")
	_, err = w.Open(t.Context(), alice, "/folder")
	wantError(t, err, job.ErrConflict)
	_, err = w.Open(t.Context(), alice, "/folder/none")
	wantError(t, err, job.ErrNotFound)
	_, err = w.Open(t.Context(), "bob", "/a")
	wantError(t, err, job.ErrNotFound)
}

func TestDelete(t *testing.T) {
	w, dir := newWorkspace(t, Options{})
	for _, p := range []string{"/a", "/f/1", "/f/g/2", "/f/g/3"} {
		put(t, w, p, "four")
	}
	must(t, os.Mkdir(filepath.Join(dir, alice, "empty"), 0o755))
	ctx := t.Context()
	_, err := w.Delete(ctx, alice, "/", DeleteOptions{Recursive: true})
	wantInvalid(t, err, "path")
	_, err = w.Delete(ctx, alice, "/f", DeleteOptions{})
	wantError(t, err, job.ErrConflict)
	_, err = w.Delete(ctx, alice, "/none", DeleteOptions{})
	wantError(t, err, job.ErrNotFound)
	_, err = w.Delete(ctx, "bob", "/a", DeleteOptions{})
	wantError(t, err, job.ErrNotFound)
	for _, c := range []struct {
		path  string
		files int64
		left  int64
	}{{"/empty", 0, 16}, {"/a", 1, 12}, {"/f/g", 2, 4}, {"/f", 1, 0}} {
		n, err := w.Delete(ctx, alice, c.path, DeleteOptions{Recursive: c.path != "/a" && c.path != "/empty"})
		if err != nil || n != c.files || used(t, w) != c.left {
			t.Fatalf("deleting %s removed %d files and left %d bytes, %v", c.path, n, used(t, w), err)
		}
	}
	if got := onDisk(t, filepath.Join(dir, alice)); !slices.Equal(got, []string{tempDir}) {
		t.Fatalf("left %q", got)
	}
}

func TestContentType(t *testing.T) {
	for name, want := range map[string]string{
		"/a.FASTA":      "text/x-fasta; charset=utf-8",
		"x.fastq":       "text/x-fastq; charset=utf-8",
		"x.fastq.gz":    "application/gzip",
		"x.gff":         "text/x-gff3; charset=utf-8",
		"tree.nwk":      "text/x-newick; charset=utf-8",
		"t.tsv":         "text/tab-separated-values; charset=utf-8",
		"page.html":     "text/html; charset=utf-8",
		"README":        "application/octet-stream",
		"x.no-such-ext": "application/octet-stream",
		"a.fa/b":        "application/octet-stream",
	} {
		if got := ContentType(name); got != want {
			t.Errorf("ContentType(%q) = %q, want %q", name, got, want)
		}
	}
}
