package slurm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
)

func TestAccountsOfOwnersHaveNamesThatSlurmKeeps(t *testing.T) {
	for owner, want := range map[string]string{
		"alice":                  "stint-alice",
		"dr.bob_2":               "stint-dr.bob_2",
		"root":                   "stint-root",
		"Alice":                  "stint-alice-" + hashOf("Alice"),
		"a@patricbrc.org":        "stint-a_patricbrc.org-" + hashOf("a@patricbrc.org"),
		"a+b":                    "stint-a_b-" + hashOf("a+b"),
		"alice-" + "0a1b2c3d4e":  "stint-alice-0a1b2c3d4e-" + hashOf("alice-0a1b2c3d4e"),
		strings.Repeat("x", 128): "stint-" + strings.Repeat("x", 32) + "-" + hashOf(strings.Repeat("x", 128)),
	} {
		if got := (Accounts{}).of(owner); got != want || !accountPattern.MatchString(got) {
			t.Errorf("%q gets the account %q, want %q", owner, got, want)
		}
	}
	if got := (Accounts{Prefix: "gw_"}).of("alice"); got != "gw_alice" {
		t.Errorf("with a prefix: %q", got)
	}
}

// No two owners have the same account, however their names are alike.
func TestAccountsOfOwnersAreTheirsAlone(t *testing.T) {
	owner := rapid.StringMatching(`[A-Ca-c_@+.-]{1,3}(-[0-9a-f]{10})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := owner.Draw(t, "a"), owner.Draw(t, "b")
		if a != b && (Accounts{}).of(a) == (Accounts{}).of(b) {
			t.Fatalf("%q and %q share the account %q", a, b, (Accounts{}).of(a))
		}
	})
	hashed := (Accounts{}).of("Alice") // somebody takes what Alice's became for a name
	if got := (Accounts{}).of(strings.TrimPrefix(hashed, defaultPrefix)); got == hashed {
		t.Errorf("%q is the account of two owners", got)
	}
}

func TestAccountsAreCheckedAtTheStart(t *testing.T) {
	for want, c := range map[string]Config{
		"none of fixed, per-owner and map": {Accounts: Accounts{Mode: "each"}},
		"says nothing with":                {Accounts: Accounts{Mode: AccountsPerOwner}, Defaults: Options{Account: "lab"}},
		"are for `accounts: per-owner`":    {Accounts: Accounts{Prefix: "x"}},
		"must be given together":           {Accounts: Accounts{Mode: AccountsMapped}},
		"and `accounts: map` must be":      {Accounts: Accounts{Map: map[string]string{"alice": "a"}}},
		"account-prefix: \"-\"":            {Accounts: Accounts{Mode: AccountsPerOwner, Prefix: "-"}},
		"account-parent: \"Lab\"":          {Accounts: Accounts{Mode: AccountsPerOwner, Parent: "Lab"}},
		"account-map: \"a b\"":             {Accounts: Accounts{Mode: AccountsMapped, Map: map[string]string{"alice": "a b"}}},
	} {
		if err := c.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check() = %v, want it to say %q", err, want)
		}
	}
}

// perOwner is a cluster that enforces accounts, and on which owners have their own.
func perOwner(t *testing.T, name string, tell func(w *world)) {
	t.Helper()
	story(t, name, func(w *world) {
		w.change = func(c *Config) { c.Accounts = Accounts{Mode: AccountsPerOwner, Parent: "gateway"} }
		w.restart()
		w.set(func() { w.accounts.enforced = true })
		tell(w)
	})
}

// taskOf is an attempt of a job of an owner.
func (w *world) taskOf(id job.ID, owner string) executor.Task {
	t := w.task(id, 1)
	t.Job.Owner = owner
	return t
}

// changed are the calls of sacctmgr that were to change something.
func (w *world) changed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.accounts.changes)
}

func TestOwnersGetAccountsOfTheirOwn(t *testing.T) {
	perOwner(t, "when their first jobs come", func(w *world) {
		for id, owner := range []string{"alice", "Bob@x.org", "alice", "Bob@x.org", "alice"} {
			w.begin(w.taskOf(job.ID(id+1), owner))
		}
		bob := "stint-bob_x.org-" + hashOf("Bob@x.org")
		want := []string{
			"--immediate add account stint-alice cluster=hpc description=stint test owner alice " + hashOf("alice") + " organization=stint parent=gateway",
			"--immediate add user me account=stint-alice cluster=hpc",
			"--immediate add account " + bob + " cluster=hpc description=stint test owner bob@x.org " + hashOf("Bob@x.org") + " organization=stint parent=gateway",
			"--immediate add user me account=" + bob + " cluster=hpc",
		}
		if got := w.changed(); !slices.Equal(got, want) {
			w.t.Errorf("sacctmgr was called with\n%s", strings.Join(got, "\n"))
		}
		if n, calls := w.count("sbatch"), w.count("sacctmgr"); n != 5 || calls != 12 { // two questions before and two after
			w.t.Errorf("sbatch was called %d times, and sacctmgr %d times", n, calls)
		}
	})
	perOwner(t, "once, however many first jobs there are", func(w *world) {
		var all sync.WaitGroup
		for id := range 50 {
			task := w.taskOf(job.ID(id+1), "alice")
			all.Go(func() { w.begin(task) })
		}
		all.Wait()
		if got := w.changed(); len(got) != 2 {
			w.t.Errorf("sacctmgr was called with\n%s", strings.Join(got, "\n"))
		}
		if n := len(w.live("PENDING")); n != 50 {
			w.t.Errorf("the cluster has %d of 50 jobs", n)
		}
	})
	perOwner(t, "also if it lacks the user alone, or is there on another cluster", func(w *world) {
		w.accounts.known = map[string]*fakeAccount{"stint-alice": {description: "stint test owner alice " + hashOf("alice")}}
		w.begin(w.taskOf(1, "alice"))
		if got := w.changed(); len(got) != 1 || !strings.Contains(got[0], "add user me account=stint-alice") {
			w.t.Errorf("sacctmgr was called with %q", got)
		}
	})
	perOwner(t, "again where somebody removed it", func(w *world) {
		w.begin(w.taskOf(1, "alice"))
		w.set(func() { delete(w.accounts.known, "stint-alice") })
		w.begin(w.taskOf(2, "alice"))
		if got := w.changed(); len(got) != 4 || len(w.live("PENDING")) != 2 {
			w.t.Errorf("sacctmgr was called with %q", got)
		}
	})
	perOwner(t, "which a cluster without accounting does not need", func(w *world) {
		w.set(func() { w.noBooks, w.accounts.enforced = true, false })
		w.begin(w.taskOf(1, "alice"))
		if got := w.changed(); len(got) != 0 || len(w.live("PENDING")) != 1 {
			w.t.Errorf("sacctmgr was called with %q", got)
		}
	})
}

// Whatever accounting does, a job waits and says for what, and runs when accounting is well.
func TestJobsWaitForTheirAccount(t *testing.T) {
	for name, trouble := range map[string]struct {
		begin, end func(w *world)
		reason     jobsv1.Reason
		words      string
	}{
		"while accounting is down":             {func(w *world) { w.booksDown = true }, func(w *world) { w.booksDown = false }, away, "Connection refused"},
		"while accounting hangs":               {func(w *world) { w.booksHang = true }, func(w *world) { w.booksHang = false }, away, "no answer in time"},
		"while Stint may not manage it":        {func(w *world) { w.accounts.denied = true }, func(w *world) { w.accounts.denied = false }, held, "the operator must let Stint's user manage accounts"},
		"while the connection breaks":          {func(w *world) { w.line = executortest.Connection{Cut: 70} }, func(w *world) { w.line = executortest.Connection{} }, away, "did not arrive whole"},
		"until the controller has heard of it": {func(w *world) { w.accounts.lag = 40 * time.Second }, func(*world) {}, away, "was just made"},
	} {
		perOwner(t, name, func(w *world) {
			w.set(func() { trouble.begin(w) })
			var all []*waiter
			for id := range 20 {
				all = append(all, w.wait(w.begin(w.taskOf(job.ID(id+1), fmt.Sprintf("owner%d", id%4)))))
			}
			for _, wt := range all {
				if strings.Contains(name, "connection") {
					continue // polls fail too, and an attempt is told of when they come through
				}
				pass(time.Second)
				wantWaiting(w.t, wt, queued, trouble.reason)
				if o := wt.last(); !strings.Contains(o.Message, trouble.words) {
					w.t.Errorf("observed %q", o.Message)
				}
			}
			if strings.Contains(name, "down") {
				pass(time.Hour)
				if n := w.count("sacctmgr"); n > 100 {
					w.t.Errorf("sacctmgr was called %d times in an hour", n)
				}
			}
			w.set(func() { trouble.end(w) })
			pass(30 * time.Minute)
			for _, wt := range all {
				wantWaiting(w.t, wt, queued, resources)
			}
			if n := len(w.live("PENDING")); n != 20 {
				w.t.Errorf("the cluster has %d of 20 jobs", n)
			}
		})
	}
}

// An account that is somebody else's is never charged.
func TestAnAccountThatIsNotTheOwnersIsRefused(t *testing.T) {
	for _, description := range []string{
		"physics department", "stint other owner alice " + hashOf("alice"), "stint test owner alice " + hashOf("Alice"), "", "a|b",
	} {
		perOwner(t, description, func(w *world) {
			w.accounts.known = map[string]*fakeAccount{"stint-alice": {description: description, users: []string{"me"}}}
			var f *executor.Failure
			_, err := w.c.Start(w.t.Context(), w.taskOf(1, "alice"))
			if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED ||
				!strings.Contains(f.Message, "The account stint-alice of the cluster is not known to be that of alice.") {
				w.t.Errorf("Start() = %v", err)
			}
			if n := len(w.live("PENDING")) + len(w.changed()); n != 0 {
				w.t.Errorf("the cluster has jobs, or changed accounts: %d", n)
			}
		})
	}
}

// What the controller says of an account while accounting is away is not final, whoever chose the account.
func TestARefusedAccountWhileAccountingIsAway(t *testing.T) {
	story(t, "is waited for", func(w *world) {
		w.set(func() { w.accounts.enforced, w.booksDown = true, true })
		w.change = func(c *Config) { c.Defaults.Account = "lab" }
		w.restart()
		wt := w.wait(w.begin(w.taskOf(1, "alice")))
		pass(time.Second)
		wantWaiting(w.t, wt, queued, away)
		if o := wt.last(); !strings.Contains(o.Message, "does not know the job's account while its accounting does not answer") {
			w.t.Errorf("observed %q", o.Message)
		}
		w.set(func() {
			w.booksDown = false
			w.accounts.known = map[string]*fakeAccount{"lab": {users: []string{"me"}}}
		})
		pass(30 * time.Minute)
		wantWaiting(w.t, wt, queued, resources)
	})
	story(t, "is waited for a minute after accounting came back", func(w *world) {
		w.set(func() { w.accounts.enforced, w.booksDown = true, true })
		w.change = func(c *Config) { c.Defaults.Account = "lab" }
		w.restart()
		wt := w.wait(w.begin(w.taskOf(1, "alice")))
		other := w.wait(w.begin(w.taskOf(2, "bob")))
		pass(10 * time.Minute)
		w.set(func() { w.booksDown = false })
		pass(30 * time.Second)
		wantWaiting(w.t, wt, queued, away)
		pass(5 * time.Minute)
		wantExit(w.t, wt, jobsv1.Reason_REASON_SUBMIT_REJECTED, -1)
		wantExit(w.t, other, jobsv1.Reason_REASON_SUBMIT_REJECTED, -1)
	})
	story(t, "is final when accounting answers", func(w *world) {
		w.set(func() { w.accounts.enforced = true })
		w.change = func(c *Config) { c.Defaults.Account = "lab" }
		w.restart()
		var f *executor.Failure
		if _, err := w.c.Start(w.t.Context(), w.taskOf(1, "alice")); !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED {
			w.t.Errorf("Start() = %v", err)
		}
	})
	perOwner(t, "is final where the account is not new", func(w *world) {
		w.begin(w.taskOf(1, "alice"))
		pass(2 * accountLag)
		w.set(func() { w.sbatch = []fakeSubmit{{answer: saysUnknownAccount}, {answer: saysUnknownAccount}} }) // the partition does not take it
		var f *executor.Failure
		if _, err := w.c.Start(w.t.Context(), w.taskOf(2, "alice")); !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED {
			w.t.Errorf("Start() = %v", err)
		}
	})
}

func TestAccountsFromATable(t *testing.T) {
	story(t, "of owners", func(w *world) {
		w.change = func(c *Config) {
			c.Accounts = Accounts{Mode: AccountsMapped, Map: map[string]string{"alice": "proj1", "bob": "proj2"}}
			c.Services = map[string]Options{"Big": {Account: "bigproj"}}
		}
		w.set(func() {
			w.accounts.enforced = true
			w.accounts.known = map[string]*fakeAccount{"proj1": {users: []string{"me"}}, "bigproj": {users: []string{"me"}}}
		})
		w.restart()
		w.begin(w.taskOf(1, "alice"))
		big := w.taskOf(2, "carol")
		big.Job.Service = "Big"
		w.begin(big)
		own := w.taskOf(3, "carol")
		own.Command.Resources.Account = "proj1"
		w.begin(own)
		var f *executor.Failure
		_, err := w.c.Start(w.t.Context(), w.taskOf(4, "carol"))
		if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED || !strings.Contains(f.Message, "no account for carol; ask the operator") {
			w.t.Errorf("Start() = %v", err)
		}
		if n := len(w.live("PENDING")); n != 3 || len(w.changed()) != 0 {
			w.t.Errorf("the cluster has %d jobs", n)
		}
	})
}

// Whatever of sacctmgr's answers is lost, no account is made and none is taken for another's.
func TestNothingIsConcludedFromPartsOfWhatSacctmgrSays(t *testing.T) {
	row := "stint-alice|stint  owner alice " + hashOf("alice") + "\n"
	whole := batch.Answer{Stdout: row + "stint-bob|x\n"}
	lost := func(line executortest.Connection, a batch.Answer) {
		t.Helper()
		e := through(a, line)
		e.owners, e.found.cluster = newOwners(), "hpc"
		if got := e.ensureAccount(t.Context(), "alice", "stint-alice", time.Time{}); got == nil || got.Outcome != batch.Deferred {
			t.Errorf("%+v: %+v", line, got)
		}
	}
	out, errs := batch.NewMark().Write(whole)
	for at := range len(out) {
		lost(executortest.Connection{Cut: at + 1}, whole)
	}
	for at := range len(errs) {
		lost(executortest.Connection{CutErrors: at + 1}, whole)
	}
	lost(executortest.Connection{}, whole) // a row that was not asked for
	for _, a := range []batch.Answer{
		{Stdout: "stint-alice\n"},
		{Stdout: "stint-alice" + "\n" + row},
		{Stdout: row, Stderr: "sacctmgr: error: slurm_persist_conn\n"},
		{Code: 1},
		{Code: 255, Stderr: "ssh: x\n"},
		{Stdout: row, Code: 1},
	} {
		lost(executortest.Connection{}, a)
	}
}

// Over a connection that breaks off every third, fourth or fifth answer, whichever it begins with, jobs of new owners
// are handed over within a few minutes: what the cluster was never asked to take need not be proven absent.
func TestAccountsOverAConnectionThatKeepsBreaking(t *testing.T) {
	for every := 3; every <= 5; every++ {
		for first := range every {
			perOwner(t, fmt.Sprintf("every %d, from %d", every, first), func(w *world) {
				w.set(func() { w.breaks, w.answered = every, first })
				var all []*waiter
				for id := range 12 {
					all = append(all, w.wait(w.begin(w.taskOf(job.ID(id+1), fmt.Sprintf("owner%d", id%4)))))
				}
				pass(5 * time.Minute)
				for _, wt := range all {
					wantWaiting(w.t, wt, queued, resources)
				}
				if n := len(w.live("PENDING")); n != 12 {
					w.t.Errorf("the cluster has %d of 12 jobs", n)
				}
			})
		}
	}
}

// A submission without an answer is proven absent also over such a connection: polls that were lost between good ones
// say nothing of the cluster. Polls that failed by the cluster's doing, as often, prove nothing.
func TestAnUnclearSubmissionOverAConnectionThatKeepsBreaking(t *testing.T) {
	for every := 3; every <= 5; every++ {
		story(t, fmt.Sprintf("every %d", every), func(w *world) {
			w.set(func() { w.sbatch, w.breaks = []fakeSubmit{{answer: saysTimeout}}, every })
			wt := w.wait(w.begin(w.task(1, 1)))
			pass(30 * time.Second)
			if n := len(w.live("PENDING")); n != 0 {
				w.t.Errorf("it was submitted again after half a minute")
			}
			pass(10 * time.Minute)
			wantWaiting(w.t, wt, queued, resources)
			if n := len(w.live("PENDING")); n != 1 {
				w.t.Errorf("the cluster has %d jobs", n)
			}
		})
	}
	story(t, "the cluster fails as often", func(w *world) {
		w.set(func() { w.sbatch = []fakeSubmit{{answer: saysTimeout}} })
		wt := w.wait(w.begin(w.task(1, 1)))
		for range 100 {
			pass(4 * time.Second)
			w.set(func() { w.broken = saysDown })
			pass(4 * time.Second)
			w.set(func() { w.broken = batch.Answer{} })
		}
		if n := len(w.live("PENDING")); n != 0 || wt.over() {
			w.t.Errorf("it was submitted again, or ended: %d jobs", n)
		}
	})
}

// A job that was turned away, or for which the cluster was not asked, is cancelled at once and stays so over a restart of the
// server; one whose submission had no answer is not.
func TestAJobThatTheClusterWasNotAskedToTakeIsCancelledAtOnce(t *testing.T) {
	for name, trouble := range map[string]func(w *world){
		"while accounting is down":    func(w *world) { w.booksDown = true },
		"while its partition is shut": func(w *world) { w.sbatch = []fakeSubmit{{answer: saysClosed}, {answer: saysClosed}} },
	} {
		for _, restarts := range []bool{false, true} {
			perOwner(t, fmt.Sprintf("%s, restart %t", name, restarts), func(w *world) {
				w.set(func() { trouble(w) })
				h := w.begin(w.taskOf(1, "alice"))
				wt := w.wait(h)
				pass(time.Second)
				if restarts {
					wt.stop()
					synctest.Wait()
					w.restart()
					wt = w.wait(h)
				}
				if err := w.c.Cancel(w.t.Context(), h); err != nil {
					w.t.Fatal(err)
				}
				pass(12 * time.Second)
				wantExit(w.t, wt, byOwner, -1)
			})
		}
	}
	perOwner(t, "without an answer", func(w *world) {
		w.set(func() { w.sbatch = []fakeSubmit{{answer: saysTimeout}} })
		h := w.begin(w.taskOf(1, "alice"))
		wt := w.wait(h)
		if err := w.c.Cancel(w.t.Context(), h); err != nil {
			w.t.Fatal(err)
		}
		pass(30 * time.Second)
		if wt.over() {
			w.t.Errorf("it ended before it was proven absent: %+v", wt.exit)
		}
		pass(5 * time.Minute)
		wantExit(w.t, wt, byOwner, -1)
	})
}
