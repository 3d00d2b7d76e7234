package jobs

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func principal(user string, roles ...auth.Role) auth.Principal {
	return auth.Principal{User: user, Roles: append([]auth.Role{auth.RoleUser}, roles...)}
}

// filterStore has three jobs: 1 of ann, queued; 2 of bob, cancelled; 3 of ann, queued, urgent.
func filterStore(tb testing.TB) *store.Store {
	tb.Helper()
	s := storetest.OpenConfig(tb, store.Config{Path: filepath.Join(tb.TempDir(), "jobs.db")})
	for _, j := range []*jobsv1.Job{
		{
			Service: "GenomeAssembly", OutputName: "Lambda Phage", OutputFolder: "/runs", Executor: "local",
			Labels: map[string]string{"project": "x", "sample": "one-two"},
		},
		{Service: "BLAST", OutputName: "hits.v2", Executor: "slurm", ParentId: "1", Labels: map[string]string{"project": "y"}},
		{Service: "GenomeAssembly", OutputName: "second", Executor: "local", Priority: 7, RerunOf: "1"},
	} {
		owner := map[string]string{"BLAST": "bob"}[j.GetService()]
		if owner == "" {
			owner = "ann"
		}
		if _, _, err := s.Submit(tb.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: owner}); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := s.Update(tb.Context(), store.Everyone, 2, call.WishToCancel(principal("bob"), "")); err != nil {
		tb.Fatal(err)
	}
	return s
}

func matches(tb testing.TB, s *store.Store, c condition) string {
	tb.Helper()
	if c.never {
		return ""
	}
	page, err := s.Page(tb.Context(), store.Query{
		Scope: store.Everyone, States: c.states, Service: c.service, Match: c.match, Limit: 10, Order: []store.Order{{Field: store.ByID}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	var ids []string
	for _, j := range page.Jobs {
		ids = append(ids, j.GetId())
	}
	if int(page.Total) != len(ids) || !page.Exact {
		tb.Errorf("total is %d, exact %v, of %d jobs", page.Total, page.Exact, len(ids))
	}
	return strings.Join(ids, " ")
}

func TestFilter(t *testing.T) {
	s := filterStore(t)
	for filter, want := range map[string]string{
		``:                                       "1 2 3",
		`state = QUEUED`:                         "1 3",
		`state = "queued"`:                       "1 3",
		`state != QUEUED`:                        "2",
		`state = QUEUED OR state = CANCELLED`:    "1 2 3",
		`state = QUEUED AND state = CANCELLED`:   "",
		`NOT state = QUEUED`:                     "2",
		`-state = QUEUED`:                        "2",
		`service = "GenomeAssembly"`:             "1 3",
		`service = BLAST AND service = X`:        "",
		`service = "Genome*"`:                    "1 3",
		`service != BLAST`:                       "1 3",
		`output_name = "*phage*"`:                "1",
		`output_name = "lambda*"`:                "1",
		`output_name = "*PHAGE"`:                 "1",
		`output_name = "phage"`:                  "",
		`output_name : phage`:                    "1",
		`output_name != "second"`:                "1 2",
		`labels.project = "x"`:                   "1",
		`labels.project != "x"`:                  "2 3",
		`labels:project`:                         "1 2",
		`labels.sample = "one-*"`:                "1",
		`owner = bob`:                            "2",
		`executor = slurm`:                       "2",
		`output_folder = "/runs"`:                "1",
		`parent_id = 1`:                          "2",
		`rerun_of = "1"`:                         "3",
		`id = 2`:                                 "2",
		`priority > 0`:                           "3",
		`priority >= -1`:                         "1 2 3",
		`priority < 7`:                           "1 2",
		`exit_code = 0`:                          "",
		`submit_time > "2020-01-01T00:00:00Z"`:   "1 2 3",
		`submit_time < "2020-01-01"`:             "",
		`start_time > "2000-01-01"`:              "",
		`complete_time > "2000-01-01"`:           "2",
		`reason = CANCELLED_BY_OWNER`:            "2",
		`reason != CANCELLED_BY_OWNER`:           "1 3",
		`phage`:                                  "1",
		`PHAGE`:                                  "1",
		`two`:                                    "1",
		`"Lambda Phage"`:                         "1",
		`hits.v2`:                                "2",
		`2`:                                      "2",
		`lambda second`:                          "",
		`lambda OR second`:                       "1 3",
		`genome (lambda OR second)`:              "1 3",
		`state = QUEUED AND NOT (phage OR hits)`: "3",
		`(((state = QUEUED)))`:                   "1 3",
		`service = BLAST OR priority = 7`:        "2 3",
	} {
		c, err := parseFilter(filter, (*store.Entry).Reason)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got := matches(t, s, c); got != want {
			t.Errorf("%s: found %q, want %q", filter, got, want)
		}
	}
}

func TestFilterRefusesWithOneClearViolation(t *testing.T) {
	for _, filter := range []string{
		strings.Repeat("(", 4000), strings.Repeat("a", 100_000), strings.Repeat("(", 33) + "a" + strings.Repeat(")", 33),
		"a = \xff", "nonsense = 1", "state = NOWHERE", "state = UNSPECIFIED", "state > QUEUED", "reason = nope", "reason < EXIT_NONZERO",
		"submit_time > yesterday", "priority = high", "priority : 1", `output_name = "a*b"`, `output_name > "a"`, "labels.x > 1",
		"(a", "a)", `"a`, "duration(5) = 1", "NOT(a = 1)", "state =", "= 1", "AND", "a = (b)", "submit_time : 2020-01-01", "a AND", "state = QUEUED QUEUED =",
	} {
		_, err := parseFilter(filter, (*store.Entry).Reason)
		var invalid *job.InvalidError
		if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Field != "filter" {
			t.Errorf("%.40q: %v", filter, err)
			continue
		}
		if n := len(err.Error()); n > 500 {
			t.Errorf("%.40q: an error of %d bytes", filter, n)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`state = RUNNING AND x`, `labels.a = "*b*" OR NOT (c)`, `-a:b`, `((((`, `a.b.c = -1.5e3`, `"\""`} {
		f.Add(seed)
	}
	s := filterStore(f)
	f.Fuzz(func(t *testing.T, filter string) {
		c, err := parseFilter(filter, (*store.Entry).Reason)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		matches(t, s, c)
		n := matches(t, s, and(c, condition{}))
		if again := matches(t, s, not(not(c))); again != n {
			t.Fatalf("%q finds %q and, negated twice, %q", filter, n, again)
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	for name, text := range map[string]string{
		"state": "state = FAILED",
		"long":  `(state = RUNNING OR state = QUEUED) AND service = "GenomeAssembly" AND output_name = "*phage*" AND labels.project = "p7"`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseFilter(text, (*store.Entry).Reason); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What is read otherwise than anybody means it finds nothing without a word, so it is refused with the way out.
func TestAFilterMeansWhatItSaysOrIsRefused(t *testing.T) {
	for filter, words := range map[string]string{
		"state = FAILED and id = 5":        `write AND for the operator`,
		"state = FAILED Or state = QUEUED": `write OR for the operator`,
		"not state = FAILED":               `write NOT for the operator`,
		"(id = 5 or id = 6) AND phage":     `write OR for the operator`,
		"state FAILED":                     `has the field state without a comparison`,
		"Service BLAST":                    `has the field Service without a comparison`,
		"exit_code":                        `has the field exit_code without a comparison`,
		"state is FAILED":                  ``,
		"priority gt 5":                    ``,
		"id = x5":                          `is no id of a job`,
		"parent_id = \"job 7\"":            `is no id of a job`,
		"state == FAILED":                  ``,
		"state = FAILED && id = 5":         ``,
		"state = FAILED, id = 5":           ``,
	} {
		_, err := parseFilter(filter, nil)
		invalid, ok := errors.AsType[*job.InvalidError](err)
		if !ok || len(invalid.Violations) != 1 || !strings.Contains(invalid.Violations[0].Description, words) {
			t.Errorf("%s: %v", filter, err)
		}
	}
	for _, filter := range []string{`"and"`, `state = FAILED "and" phage`, `"state"`, `service = and`, `output_name = or`, `andy`, `labels.and = x`, `id = "5*"`, `id = 005`, `NOT id = 5`} {
		if _, err := parseFilter(filter, nil); err != nil {
			t.Errorf("%s: %v", filter, err)
		}
	}
}
