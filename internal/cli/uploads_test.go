package cli

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnUploadGoesOnAfterALostConnection(t *testing.T) {
	for name, faults := range map[string]map[string][]fault{
		"nothing arrived":            {"AppendUpload": {{err: errLost}, {err: errLost}}},
		"the response was lost":      {"AppendUpload": {{err: errLost, late: true}}},
		"the server is away as well": {"AppendUpload": {{err: errLost}}, "GetUpload": {{err: errLost}, {err: errLost}, {err: errLost}, {err: errLost}, {err: errLost}, {err: errLost}}},
		"create was not answered":    {"CreateUpload": {{err: errLost, late: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t)
			for method, list := range faults {
				f.fail(method, list...)
			}
			r := stint(f, "upload", writeFile(t, "a.fq", strings.Repeat("ACGT", 100_000)), "/in/").want(t, 0)
			if got := f.files.content("/in/a.fq"); got != strings.Repeat("ACGT", 100_000) || f.files.stored != 1 || len(f.files.uploads) != 1 {
				t.Errorf("%d bytes after %d uploads", len(got), f.files.stored)
			}
			if said := strings.Contains(r.err, "the connection was lost"); said != (f.count("AppendUpload") > 1 || f.count("GetUpload") > 0) {
				t.Errorf("said %q", r.err)
			}
		})
	}
}

func TestAnUploadSendsOnlyWhatTheServerHasNot(t *testing.T) {
	f := startFake(t)
	file := writeFile(t, "a.fq", strings.Repeat("ACGT", 100_000))
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	size := info.Size()
	begun, err := f.files.CreateUpload(t.Context(), &workspacev1.CreateUploadRequest{Path: "/in/a.fq", SizeBytes: &size, ResumeKey: resumeKey(info)})
	if err != nil {
		t.Fatal(err)
	}
	mine := f.files.uploads[begun.GetUpload().GetId()]
	mine.content, mine.upload.Offset, mine.lose = strings.Repeat("ACGT", 50_000), 200_000, 1000 // of a process that was killed
	r := stint(f, "upload", file, "/in/a.fq").want(t, 0)
	wantIn(t, r.err, "going on with the upload to /in/a.fq, of which the server has 195 KiB of 391 KiB")
	if got := f.files.content("/in/a.fq"); got != strings.Repeat("ACGT", 100_000) || len(f.files.uploads) != 1 {
		t.Errorf("stored %d bytes by %d uploads", len(got), len(f.files.uploads))
	}
}

func TestAFileThatChangedIsAnotherUpload(t *testing.T) {
	f := startFake(t)
	file := writeFile(t, "a.fq", "ACGTACGT")
	f.fail("AppendUpload", fault{err: refuse(8, "NO_SPACE", "The server's disk has no room for this file.")})
	wantIn(t, stint(f, "upload", file, "/a.fq").want(t, exitFailed).err, "no room")
	if err := os.WriteFile(file, []byte("TTTTTTTT"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
	stint(f, "upload", file, "/a.fq").want(t, 0)
	if got := f.files.content("/a.fq"); got != "TTTTTTTT" {
		t.Errorf("stored %q", got)
	}
	wantIn(t, stint(f, "uploads", "list").want(t, 0).out, "ID\tPATH\tSTORED\tSIZE\tBEGUN\tUNTIL\nu1\t/a.fq\t0\t8\t")
}

func TestAnUploadThatIsTakenOverOrGoneEnds(t *testing.T) {
	f := startFake(t)
	file := writeFile(t, "a", "ACGT")
	f.fail("AppendUpload", fault{err: wrongOffset(2, map[string]string{"taken_over": "true"})})
	wantIn(t, stint(f, "upload", file, "/a").want(t, exitFailed).err, "The upload goes on elsewhere.")
	f.fail("AppendUpload", fault{err: wrongOffset(2, nil)}) // as after a response that was lost
	stint(f, "upload", file, "/a").want(t, 0)
	f.fail("AppendUpload", fault{err: errLost})
	f.fail("GetUpload", fault{err: refuse(5, "NOT_FOUND", "There is no upload.")})
	wantIn(t, stint(f, "upload", file, "/b").want(t, exitFailed).err, "There is no upload.")
}

func TestAFileThatShrinksWhileItIsUploadedIsSaid(t *testing.T) {
	file := writeFile(t, "a", strings.Repeat("A", 1000))
	h, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll((&hashed{file: h, sum: sha256.New()}).at(t.Context(), 0, 1000))
	if err == nil || err.Error() != errChanged.Error() {
		t.Errorf("got %v", err)
	}
}

func TestStandardInputGoesUpInParts(t *testing.T) {
	f := startFake(t)
	content := strings.Repeat("0123456789abcdef", (2*stdinPart+1000)/16)
	f.fail("AppendUpload", fault{err: errLost, late: true}, fault{err: errLost})
	stintWith(f, func(a *app) { a.in = strings.NewReader(content) }, "upload", "-", "/x").want(t, 0)
	if got := f.files.content("/x"); got != content {
		t.Errorf("stored %d bytes of %d", len(got), len(content))
	}
	stintWith(f, func(a *app) { a.in = strings.NewReader("") }, "upload", "-", "/empty").want(t, 0)
	if !f.files.has("/empty") {
		t.Error("an empty file is not there")
	}
}

func TestUploadsAreListedAndEnded(t *testing.T) {
	f := startFake(t)
	file := writeFile(t, "a.fq", "ACGT")
	for _, to := range []string{"/a", "/b"} {
		f.fail("AppendUpload", fault{err: refuse(8, "NO_SPACE", "No room.")})
		stint(f, "upload", file, to).want(t, exitFailed)
	}
	if r := stint(f, "uploads", "list", "-o", "name").want(t, 0); r.out != "u1\nu2\n" {
		t.Errorf("listed %q", r.out)
	}
	wantIn(t, stint(f, "uploads", "end", "u1").want(t, 0).out, "u1 ended")
	stint(f, "uploads", "end", "u1").want(t, exitFailed)
	if len(f.files.open()) != 1 {
		t.Error("it is still there")
	}
}

func TestFilesAreMovedCopiedAndLookedAt(t *testing.T) {
	f := startFake(t)
	f.files.put("/in/a", "A")
	f.files.put("/in/b", "B")
	if r := stint(f, "mv", "/in/a", "/in/c").want(t, 0); r.out != "/in/c\n" || f.files.has("/in/a") || f.files.content("/in/c") != "A" {
		t.Errorf("mv: %q, %q", r.out, f.files.paths())
	}
	f.files.put("/out/x", "X")
	if r := stint(f, "mv", "/in/c", "/out").want(t, 0); r.out != "/out/c\n" { // a folder is there
		t.Errorf("mv: %q", r.out)
	}
	if r := stint(f, "cp", "/in/b", "/out/c", "/new/").want(t, 0); r.out != "/new/b\n/new/c\n" || f.files.content("/new/b") != "B" {
		t.Errorf("cp: %q, %q", r.out, f.files.paths())
	}
	wantIn(t, stint(f, "cp", "/in/b", "/two").want(t, 0).err, "left out of /two: 2, which are links")
	wantIn(t, stint(f, "cp", "/in/b", "/out/x").want(t, exitFailed).err, "There is a file /out/x already.")
	stint(f, "mv", "/in/b", "/out/x", "--force").want(t, 0)
	stint(f, "cp", "/none", "/y").want(t, exitFailed)
	f.fail("Copy", fault{eof: true, frames: 1})
	wantIn(t, stint(f, "cp", "/out/x", "/z").want(t, exitFailed).err, "copy /out/x")
	if r := stint(f, "mkdir", "/a/b", "/c").want(t, 0); r.out != "/a/b\n/c\n" {
		t.Errorf("mkdir: %q", r.out)
	}
	if r := stint(f, "ls", "-d", "/out", "-o", "name").want(t, 0); r.out != "/out/\n" {
		t.Errorf("ls -d: %q", r.out)
	}
	wantIn(t, stint(f, "ls", "-d", "/out/x").want(t, 0).out, "NAME\tSIZE\tMODIFIED\tTYPE\nx\t1\t")
	stint(f, "ls", "-d", "/none").want(t, exitFailed)
}
