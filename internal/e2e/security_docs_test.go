package e2e_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// namedTest is the name of a test in a document.
	namedTest = regexp.MustCompile("`(Test[A-Z]\\w*)`")
	// promiseStart is how a paragraph begins that promises something.
	promiseStart = regexp.MustCompile(`^\*\*(.+?)\*\*`)
)

// Each promise of docs/security.md names the tests that hold it, and all tests that the page names are there and not skipped.
func TestEachPromiseOfSecurityNamesTestsThatRun(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := allTests(t)
	names := namedTest.FindAllStringSubmatch(string(text), -1)
	if len(names) < 30 {
		t.Errorf("the page names %d tests", len(names))
	}
	for _, name := range names {
		switch skipped, ok := tests[name[1]]; {
		case !ok:
			t.Errorf("%s is named and does not exist", name[1])
		case skipped:
			t.Errorf("%s is named and is always skipped", name[1])
		}
	}
	promises := promisesOf(t, string(text))
	if len(promises) < 8 {
		t.Errorf("only %d promises are found: %v", len(promises), promises)
	}
	for words, named := range promises {
		if !named {
			t.Errorf("no test is named for what is promised: %s", words)
		}
	}
}

// promisesOf returns by its first words whether each promise names a test.
func promisesOf(t *testing.T, text string) map[string]bool {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n## What is promised\n")
	section, _, ended := strings.Cut(rest, "\n## ")
	if !found || !ended {
		t.Fatal("the page has no section of what is promised")
	}
	promises := make(map[string]bool)
	for paragraph := range strings.SplitSeq(section, "\n\n") {
		if m := promiseStart.FindStringSubmatch(strings.TrimSpace(paragraph)); m != nil {
			promises[m[1]] = namedTest.MatchString(paragraph)
		}
	}
	return promises
}

// allTests returns by name whether each test of the repository skips itself whatever is installed.
func allTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", ".deps", "node_modules", "testdata"}, d.Name()) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				tests[fn.Name.Name] = skips(fn.Body)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// skips reports whether one of the statements of a test, under no condition, skips it.
func skips(body *ast.BlockStmt) bool {
	for _, s := range body.List {
		statement, ok := s.(*ast.ExprStmt)
		if !ok {
			continue
		}
		if call, ok := statement.X.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				return true
			}
		}
	}
	return false
}

// The test above would fail for a test that is absent or skipped, and for a promise without one.
func TestPromisesWithoutTestsAreFound(t *testing.T) {
	const page = "# S\n\n## What is promised\n\n**A.** It holds (`TestA`).\n\n**B.** It\nholds.\n\nNo promise.\n\n## Next\n\n**C.** x\n"
	promises := promisesOf(t, page)
	if len(promises) != 2 || !promises["A."] || promises["B."] {
		t.Errorf("%v", promises)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", `package x
func TestSkipped(t *testing.T) { t.Helper(); t.Skip("later") }
func TestSometimes(t *testing.T) { if false { t.Skip() } }
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		fn, ok := file.Decls[i].(*ast.FuncDecl)
		if !ok || skips(fn.Body) != want {
			t.Errorf("declaration %d is skipped: %v", i, !want)
		}
	}
}
