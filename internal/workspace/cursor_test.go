package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/stint-jobs/stint/internal/job"
)

// fill puts so many empty files into a folder of alice's.
func fill(tb testing.TB, tree string, files int) {
	tb.Helper()
	if err := os.MkdirAll(tree, 0o755); err != nil {
		tb.Fatal(err)
	}
	for n := range files {
		if err := os.WriteFile(filepath.Join(tree, "file"+strconv.Itoa(n)), nil, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// allPages lists a folder page by page; between is called after each page but the last.
func allPages(t interface{ Fatalf(string, ...any) }, w *Workspace, page Page, between func()) (paths []string) {
	for {
		l, err := w.List(context.Background(), alice, "/", page)
		if err != nil {
			t.Fatalf("page behind %q: %v", page.After, err)
		}
		if !l.Unsorted || len(l.Entries) > page.Size || l.Next != "" && len(l.Entries) < page.Size {
			t.Fatalf("a page has %d of %d entries, next %q, unsorted %t", len(l.Entries), page.Size, l.Next, l.Unsorted)
		}
		for _, e := range l.Entries {
			paths = append(paths, e.GetPath())
		}
		if page.After = l.Next; l.Next == "" {
			return paths
		}
		between()
	}
}

func TestPagesOfALargeFolderAreTheWholeFolder(t *testing.T) {
	dir := t.TempDir()
	w := openWorkspace(t, dir, Options{})
	w.maxSorted = 2
	tree := filepath.Join(dir, alice)
	rapid.Check(t, func(rt *rapid.T) {
		must(t, os.RemoveAll(tree))
		files := rapid.IntRange(3, 40).Draw(rt, "files")
		fill(t, tree, files)
		must(t, os.Mkdir(filepath.Join(tree, "folder"), 0o755), os.WriteFile(filepath.Join(tree, ".stint-x"), nil, 0o644),
			os.Symlink("/etc/passwd", filepath.Join(tree, "out")), os.Symlink("file0", filepath.Join(tree, "link")))
		want := []string{"/folder", "/link"}
		for n := range files {
			want = append(want, "/file"+strconv.Itoa(n))
		}
		got := allPages(rt, w, Page{Size: rapid.IntRange(1, 9).Draw(rt, "size")}, func() {})
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("pages give %q, want %q", got, want)
		}
	})
}

// What is there all the time comes once, whatever comes and goes between two pages.
func TestPagesOfALargeFolderThatChanges(t *testing.T) {
	dir := t.TempDir()
	w := openWorkspace(t, dir, Options{})
	w.maxSorted = 2
	tree := filepath.Join(dir, alice)
	fill(t, tree, 300)
	n := 0
	got := allPages(t, w, Page{Size: 7}, func() {
		must(t, os.Remove(filepath.Join(tree, "file"+strconv.Itoa(299-n))), os.WriteFile(filepath.Join(tree, "new"+strconv.Itoa(n)), nil, 0o644))
		n++
	})
	seen := make(map[string]int)
	for _, p := range got {
		seen[p]++
	}
	for p, times := range seen {
		if times > 1 {
			t.Errorf("%s comes %d times", p, times)
		}
	}
	for i := range 300 - n {
		if p := "/file" + strconv.Itoa(i); seen[p] != 1 {
			t.Errorf("%s comes %d times", p, seen[p])
		}
	}
}

func TestTokensOfAnotherOrderAreRefused(t *testing.T) {
	dir := t.TempDir()
	w := openWorkspace(t, dir, Options{})
	fill(t, filepath.Join(dir, alice), 5)
	l, err := w.List(t.Context(), alice, "/", Page{Size: 2})
	must(t, err)
	w.maxSorted = 2
	_, err = w.List(t.Context(), alice, "/", Page{Size: 2, After: l.Next})
	wantError(t, err, job.ErrConflict)
	for _, after := range []string{"o/", "o/x", "o/-1", "o/99999999999999999999"} {
		if _, err := w.List(t.Context(), alice, "/", Page{Size: 2, After: after}); err == nil {
			t.Errorf("%q is taken", after)
		}
	}
	must(t, os.RemoveAll(filepath.Join(dir, alice)), os.WriteFile(filepath.Join(dir, alice), nil, 0o644))
	if _, err := w.List(t.Context(), alice, "/", Page{After: "o/0"}); err == nil {
		t.Error("a file is listed")
	}
}

// costOfPage is how many bytes are allocated for the second page of a folder.
func costOfPage(t *testing.T, files int) uint64 {
	t.Helper()
	dir := t.TempDir()
	w := openWorkspace(t, dir, Options{})
	w.maxSorted = 500
	fill(t, filepath.Join(dir, alice), files)
	first, err := w.List(t.Context(), alice, "/", Page{Size: 100})
	must(t, err)
	if !first.Unsorted {
		t.Fatalf("%d files are sorted", files)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 20
	for range times {
		if _, err := w.List(t.Context(), alice, "/", Page{Size: 100, After: first.Next}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / times
}

func TestAPageCostsTheSameInALargerFolder(t *testing.T) {
	small, large := costOfPage(t, 600), costOfPage(t, 2400)
	if large > small+small/2 || large > 1<<20 {
		t.Errorf("a page of 100 takes %d bytes of memory in a folder of 600 files, and %d in one of 2,400", small, large)
	}
}

// BenchmarkPageOfALargeFolder measures a page of a thousand at the beginning and in the middle.
// STINT_BENCH_FILES is how many files there are; 100,000 by default.
func BenchmarkPageOfALargeFolder(b *testing.B) {
	files, err := strconv.Atoi(os.Getenv("STINT_BENCH_FILES"))
	if err != nil {
		files = 100_000
	}
	dir := b.TempDir()
	w := openWorkspace(b, dir, Options{})
	fill(b, filepath.Join(dir, alice), files)
	list := func(b *testing.B, after string) Listing {
		b.Helper()
		l, err := w.List(b.Context(), alice, "/", Page{Size: 1000, After: after})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	for _, at := range []struct {
		name  string
		pages int
	}{{"first", 0}, {"second", 1}, {"middle", files / 2000}} {
		after := ""
		for range at.pages {
			after = list(b, after).Next
		}
		b.Run(fmt.Sprintf("%s of %d", at.name, files), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				list(b, after)
			}
		})
	}
}
