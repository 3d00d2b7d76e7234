package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is in the documents is run as a reader would paste it. A comment in the
// line before a code block, which no reader sees, says what to do with it:
//
//	<!-- run -->          run it with bash; it must succeed
//	<!-- run: buf -->     likewise, but only where STINT_TEST_REQUIRE has
//	                      `programs`: the first use of buf compiles it for minutes
//	<!-- file: NAME -->   write it into the file NAME
//
// The blocks of a document are run in their order, in one folder, on one server of their own.

// documented are the documents with such blocks.
var documented = []string{"README.md", "docs/api.md", "docs/operations.md"}

const repository = "../.."

var codeBlock = regexp.MustCompile("(?ms)^<!-- (run|file)(?:: ([^ ]+))? -->\n```\\w*\n(.*?)^```$")

// step is one block of a document.
type step struct{ kind, word, text string }

func steps(t *testing.T, document string) []step {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, document))
	if err != nil {
		t.Fatal(err)
	}
	var all []step
	for _, m := range codeBlock.FindAllSubmatch(text, -1) {
		all = append(all, step{string(m[1]), string(m[2]), string(m[3])})
	}
	// Marks of generated parts begin with other words.
	if marks := strings.Count(string(text), "\n<!-- run") + strings.Count(string(text), "\n<!-- file"); marks != len(all) {
		t.Errorf("%s has %d marks, and %d of them are before a code block", document, marks, len(all))
	}
	return all
}

func TestDocumentsCanBePasted(t *testing.T) {
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			if required("programs") {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	for _, document := range documented {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			for _, s := range steps(t, document) {
				r.do(s)
			}
		})
	}
}

// required reports whether what a group of programs is for must not be skipped.
func required(group string) bool {
	return slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), group)
}

// reader is somebody who has a clone in which the demo runs.
type reader struct {
	testing.TB
	server *server
	clone  string
	env    []string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	services, err := filepath.Abs(filepath.Join(repository, "services"))
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{TB: t, server: newServer(t, "--services", services), clone: t.TempDir()}
	for _, name := range []string{"go.work", "go.mod", "go.sum", "gen", "tools"} {
		path, err := filepath.Abs(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		r.link(path, name)
	}
	r.link(bin, "bin")
	r.write(".demo/input/lambda_virus.fa", ">phage\nACGTACGTTTGACA\nGGCA\n")
	r.env = append(os.Environ(),
		"PATH="+filepath.Join(r.clone, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"STINT_SERVER="+r.server.address, "STINT_TOKEN=", "XDG_CONFIG_HOME="+t.TempDir(),
		"GORACE=atexit_sleep_ms=0", // the race detector waits a second at the end of each command
	)
	return r
}

func (r *reader) link(path, name string) {
	r.Helper()
	if err := os.Symlink(path, filepath.Join(r.clone, name)); err != nil {
		r.Fatal(err)
	}
}

func (r *reader) write(name, text string) {
	r.Helper()
	path := filepath.Join(r.clone, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// do does what a block is for. Addresses and folders of a typical
// installation stand for those of the test.
func (r *reader) do(s step) {
	r.Helper()
	s.text = strings.NewReplacer("127.0.0.1:8421", r.server.address, "/var/lib/stint", r.server.data).Replace(s.text)
	switch {
	case s.kind == "file":
		r.write(s.word, s.text)
	case s.word == "buf" && !required("programs"):
		r.Log("left out: buf may have to be compiled first")
	default:
		r.run(s.text)
	}
}

// refusal is an error over REST, which is no failure of curl. A block that is to show one says so.
var refusal = regexp.MustCompile(`\{"code": ?[0-9]+, ?"message".*`)

func (r *reader) run(script string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail")
	cmd.Dir, cmd.Env, cmd.Stdin = r.clone, r.env, strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("%v\n%s\n--- printed:\n%s", err, script, out)
	}
	if problem := refusal.Find(out); (problem != nil) != strings.Contains(script, "# refused") {
		r.Errorf("the server refused: %q\n--- in:\n%s", problem, script)
	}
	r.Logf("%s--- printed:\n%s", script, out)
}

// The tree in docs/architecture.md has every package of ours, and no other.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^((?:internal|cmd)/[a-z/0-9-]+)/ `).FindAllSubmatch(text, -1) {
		named = append(named, string(m[1]))
	}
	var there []string
	for _, pattern := range []string{"cmd/*/*.go", "internal/*/*.go", "internal/*/*/*.go", "internal/*/*/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			dir, err := filepath.Rel(repository, filepath.Dir(f))
			if err != nil {
				t.Fatal(err)
			}
			there = append(there, filepath.ToSlash(dir))
		}
	}
	slices.Sort(there)
	there = slices.Compact(there)
	for _, dir := range there {
		if !slices.Contains(named, dir) {
			t.Errorf("docs/architecture.md does not say what %s is", dir)
		}
	}
	for _, dir := range named {
		if !slices.Contains(there, dir) {
			t.Errorf("docs/architecture.md names %s, which is not there", dir)
		}
	}
}

// No document sends its reader to a file that is not there.
func TestLinksLeadToFiles(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "services/*.md"} {
		found, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), string(m[1]))); err != nil {
				t.Errorf("%s has a link to nothing: %v", document, err)
			}
		}
	}
}
