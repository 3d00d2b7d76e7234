package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation is a change of the server that breaks a promise of docs/security.md, and the test that has to notice.
type mutation struct {
	breaks     string // what does not hold any more
	file       string
	old, wrong string // the one place that is changed
	pkg, test  string
}

// mutations are one for each kind of promise.
var mutations = []mutation{
	{
		"a bad credential is refused where none is needed",
		"internal/auth/authenticator.go", "		err = a.bearer(ctx, c.Authorization, p)\n", "		if err = a.bearer(ctx, c.Authorization, p); err != nil && a.local != nil {\n			*p, err = *a.local, nil\n		}\n",
		"./internal/auth", "TestWhoIsLetIn",
	},
	{
		"auditors read no logs and results of others",
		"internal/auth/table.go", "readsJobs = rule{own: everybody, foreign: operators, named: operators,", "readsJobs = rule{own: everybody, foreign: readers, named: readers,",
		"./internal/auth", "TestEveryCellOfTheTable",
	},
	{
		"a user who is disabled is out",
		"internal/auth/guard.go", "	case disabled:\n		return errDisabled\n", "	case disabled:\n		return nil\n",
		"./internal/auth", "TestADisabledUserIsNotLetInWhateverTheySignInWith",
	},
	{
		"a share with a name that was never seen is asked about",
		"internal/api/jobs/share.go", "!known && !req.GetUnknownUser()", "!known && false",
		"./internal/api", "TestAShareWithANameThatWasNeverSeenIsAskedAbout",
	},
	{
		"an operator who submits for somebody says why",
		"internal/api/jobs/submit.go", `	if strings.TrimSpace(in.reason) == "" {`, `	if strings.TrimSpace(in.reason) == "x" {`,
		"./internal/api", "TestAnOperatorSaysWhyAndTheOwnerSeesIt",
	},
	{
		"of others' jobs the queue shows only that they are there",
		"internal/store/queue.go", "MemoryBytes: powerOfTwo(asked.GetMemoryBytes()),", "MemoryBytes: powerOfTwo(asked.GetMemoryBytes()), Partition: asked.GetPartition(),",
		"./internal/api", "TestAMaskedAnswerDependsOnNothingHidden",
	},
	{
		"an entry of the audit carries the hash of the one before",
		"internal/store/audit/verify.go", "if should != head.Hash && (Head{Hash: v.should}).Follows(raw) != head.Hash {", "if false {",
		"./internal/store", "TestForgeriesAreFoundAndNamed",
	},
	{
		"filters run without a lock",
		"internal/store/index/scan.go", "	if s.plan.match != nil {\n		defer s.ix.takeTurn()()\n	}\n", "	s.ix.mu.RLock()\n	defer s.ix.mu.RUnlock()\n",
		"./internal/store/index", "TestAMatchIsNeverCalledUnderTheLock",
	},
	{
		"filters run within a cost",
		"internal/api/jobs/filter_cost.go", "	if c.cost <= maxFilterCost {", "	if c.cost >= 0 {",
		"./internal/api/jobs", "TestAFilterThatLooksAtTooMuchIsRefusedWithTheFieldThatCosts",
	},
	{
		"what is not known to be harmless is saved",
		"internal/gateway/content.go", `	return !active(contentType) && (strings.HasPrefix(media, "text/")`, `	return (media != "") && (strings.HasPrefix(media, "text/")`,
		"./internal/gateway", "TestFilesThatAreNotKnownToBeHarmlessAreSaved",
	},
	{
		"an expired credential locks out nobody",
		"internal/server/limit_calls.go", "	if !auth.IsGuess(err) {\n", "	if err == nil {\n",
		"./internal/e2e", "TestNobodyIsLockedOutByOthersCredentials",
	},
	{
		"what is refused is logged, whatever --access-log says",
		"internal/server/call_log.go", `		l.log.LogAttrs(ctx, slog.LevelWarn, "refused", attrs...)`, `		l.log.LogAttrs(ctx, slog.LevelDebug, "refused", attrs...)`,
		"./internal/e2e", "TestRefusalsAreLogged",
	},
	{
		"at the content origin there is nothing but what a link is for",
		"internal/gateway/content_origin.go", "	if p == nil && !strings.HasPrefix(file, t.folder) {", "	if p == nil && false {",
		"./internal/gateway", "TestAtTheContentOriginThereIsNothingButWhatATicketIsFor",
	},
}

// Each mutation is of a place that there is once, and names a test that docs/security.md names, too.
func TestMutationsAreOfWhatIsThere(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutations) < 12 {
		t.Errorf("there are %d mutations", len(mutations))
	}
	tests := allTests(t)
	for _, m := range mutations {
		text, err := os.ReadFile(filepath.Join(repository, m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: %s has the place that is changed %d times", m.breaks, m.file, n)
		}
		if _, ok := tests[m.test]; !ok || !strings.Contains(string(page), "`"+m.test+"`") {
			t.Errorf("%s: docs/security.md does not name %s, or there is no such test", m.breaks, m.test)
		}
	}
}

// Each mutation makes its test fail, which passes without it.
func TestMutationsAreFound(t *testing.T) {
	if !long() {
		t.Skip("a mutation takes half a minute: make test-long")
	}
	for _, m := range mutations {
		t.Run(m.breaks, func(t *testing.T) {
			if out, passed := m.run(t, ""); !passed {
				t.Fatalf("%s fails without the mutation:\n%s", m.test, out)
			}
			out, passed := m.run(t, m.overlay(t))
			// A test that waits for what the server does not do any more fails by its time.
			hung := strings.Contains(out, "panic: test timed out") && strings.Contains(out, "\t"+m.test+" (")
			if passed || !hung && !strings.Contains(out, "--- FAIL: "+m.test) {
				t.Errorf("%s does not fail where it is broken that %s:\n%s", m.test, m.breaks, out)
			}
			for line := range strings.Lines(out) {
				if strings.Contains(line, "_test.go:") {
					t.Logf("%s notices: %.200s", m.test, strings.TrimSpace(line))
					break
				}
			}
		})
	}
}

// overlay writes the changed file, and returns what tells the compiler to take it in the place of the real one.
func (m *mutation) overlay(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(repository, m.file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed, overlay := filepath.Join(t.TempDir(), "changed.go"), filepath.Join(t.TempDir(), "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{changed: strings.Replace(string(text), m.old, m.wrong, 1), overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

// run runs the mutation's test, with an overlay also for what that test builds, and reports whether it passed.
func (m *mutation) run(t *testing.T, overlay string) (out string, passed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=2m", "-v", "-run", "^"+m.test+"$", m.pkg)
	cmd.Dir, cmd.Env = repository, os.Environ()
	if overlay != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	b, err := cmd.CombinedOutput()
	return string(b), err == nil && strings.Contains(string(b), "--- PASS: "+m.test)
}
