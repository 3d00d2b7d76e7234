package slurm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

// testAccounts is a cluster that enforces associations, and on which owners have accounts of their own.
func testAccounts(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	c.Run("sacctmgr", "-i", "add", "account", "gateway", "description=gateway", "organization=x", "fairshare=7")
	t.Run("two owners", func(t *testing.T) { testTwoOwners(t, c.For(t)) })
	t.Run("fifty first jobs at once", func(t *testing.T) { testFirstJobs(t, c.For(t)) })
	t.Run("while slurmdbd is down", func(t *testing.T) { testAccountingAway(t, c.For(t)) })
	t.Run("an account that is somebody else's", func(t *testing.T) { testForeignAccount(t, c.For(t)) })
	t.Run("by a server", func(t *testing.T) { testRulesOfServer(t, c.For(t)) })
}

// ofOwners is a lab where accounts are per owner. The calls of sacctmgr that change something are in the file.
func ofOwners(t *testing.T, c *slurmtest.Cluster, prefix string) (l *lab, changes string) {
	t.Helper()
	l, changes = newLab(t, c), filepath.Join(t.TempDir(), "changes")
	sacctmgr := script(t, `case $1 in --immediate) echo "$*" >>'`+changes+`' ;; esac; exec sacctmgr "$@"`)
	l.change = func(cfg *slurm.Config) {
		cfg.Accounts = slurm.Accounts{Mode: slurm.AccountsPerOwner, Prefix: prefix, Parent: "gateway"}
		cfg.Commands["sacctmgr"] = sacctmgr
	}
	return l, changes
}

func owned(owner, script string) order {
	return order{script: script, change: func(t *executor.Task) { t.Job.Owner = owner }}
}

func testTwoOwners(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	l, _ := ofOwners(t, c, "")
	ex, _ := running(t, l.config())
	owners := []string{"alice", "Bob+x@example.org"}
	l.bringAll(ex, 6, func(i int) order { return owned(owners[i%2], "sleep 1; "+counted) }, zero)
	names := []string{"stint-alice", ""}
	for name := range strings.FieldsSeq(c.Run("sacctmgr", "-n", "-P", "show", "account", "format=Account")) {
		if strings.HasPrefix(name, "stint-bob_x_example.org-") {
			names[1] = name
		}
	}
	for _, name := range names {
		c.Until("three jobs in accounting that "+name+" was charged with", func() bool {
			return strings.Count(c.Run("sacct", "-n", "-P", "-X", "-A", name, "-S", "now-1hour", "-o", "State"), "COMPLETED") == 3
		})
		share := c.Run("sshare", "-n", "-P", "-a", "-A", name, "-o", "Account,User,NormShares")
		lines := strings.Split(share, "\n")
		if len(lines) != 2 || !strings.HasPrefix(strings.TrimSpace(lines[1]), name+"|root|") {
			t.Errorf("sshare shows of %s:\n%s", name, share)
		}
		if parent := c.Run("sacctmgr", "-n", "-P", "show", "assoc", "where", "account="+name, "format=ParentName"); !strings.Contains(parent, "gateway") {
			t.Errorf("%s is below %q", name, parent)
		}
	}
	// Two equal owners below one parent have half of it each.
	shares := strings.Split(c.Run("sshare", "-n", "-P", "-A", strings.Join(names, ","), "-o", "NormShares"), "\n")
	for _, s := range shares {
		if v, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err != nil || v <= 0 {
			t.Errorf("sshare shows the shares %q", shares)
		}
	}
}

// testFirstJobs checks that an account is made once, also by two servers at once.
func testFirstJobs(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	l, changes := ofOwners(t, c, "first-")
	ex, _ := running(t, l.config())
	l.bringAll(ex, 50, always(owned("carol", counted)), zero)
	data, err := os.ReadFile(changes)
	if n := strings.Count(string(data), "\n"); err != nil || n != 2 {
		t.Errorf("sacctmgr changed something %d times, %v:\n%s", n, err, data)
	}
	if got := c.Run("sacctmgr", "-n", "-P", "show", "assoc", "where", "account=first-carol", "format=Account,User"); got != "first-carol|\nfirst-carol|root" {
		t.Errorf("accounting has %q", got)
	}
	// Another server on the same installation finds it, and so does the same after a restart.
	ex, _ = running(t, l.config())
	l.bringAll(ex, 2, always(owned("carol", counted)), zero)
	if again, _ := os.ReadFile(changes); string(again) != string(data) {
		t.Errorf("after a restart sacctmgr changed something:\n%s", again)
	}
	// What an administrator removed is made again.
	c.Run("sacctmgr", "-i", "delete", "user", "root", "account=first-carol")
	l.bringAll(ex, 2, always(owned("carol", counted)), zero)
}

// testAccountingAway checks that jobs wait for accounting, and are not refused.
func testAccountingAway(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	l, _ := ofOwners(t, c, "away-")
	ex, _ := running(t, l.config())
	l.bringAll(ex, 1, always(owned("known", counted)), zero)
	c.Stop("slurmdbd")
	var follows []*follow
	for i := range 3 {
		h, err := l.start(ex, l.task(nextJob(), 1, owned(fmt.Sprintf("new%d", i), counted)))
		if err != nil {
			t.Fatal(err)
		}
		follows = append(follows, l.follow(ex, h))
	}
	l.bringAll(ex, 1, always(owned("known", counted)), zero) // whose account was seen goes on
	for _, f := range follows {
		o := f.until("WAITING_FOR_ENGINE", func(o executor.Observation) bool { return o.Reason == jobsv1.Reason_REASON_WAITING_FOR_ENGINE })
		if !strings.Contains(o.Message, "The cluster's accounting does not answer") || !strings.Contains(o.Message, "Connection refused") {
			t.Errorf("observed %q", o.Message)
		}
	}
	fixed := newLab(t, c) // an account that the controller does not know is no refusal either
	fixed.change = func(cfg *slurm.Config) { cfg.Defaults.Account = "later" }
	other, _ := running(t, fixed.config())
	h, err := fixed.start(other, fixed.task(nextJob(), 1, order{script: counted}))
	if err != nil {
		t.Fatal(err)
	}
	f := fixed.follow(other, h)
	f.until("WAITING_FOR_ENGINE", func(o executor.Observation) bool {
		return o.Reason == jobsv1.Reason_REASON_WAITING_FOR_ENGINE && strings.Contains(o.Message, "does not know the job's account")
	})
	c.Again()
	c.Run("sacctmgr", "-i", "add", "account", "later", "description=later", "organization=x")
	c.Run("sacctmgr", "-i", "add", "user", "root", "account=later")
	for _, f := range append(follows, f) {
		f.want(byItself, 0, 0, "")
	}
}

// testForeignAccount checks that nobody is charged to what looks like their account.
func testForeignAccount(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	c.Run("sacctmgr", "-i", "add", "account", "dept-physics", "description=department", "organization=x")
	c.Run("sacctmgr", "-i", "add", "user", "root", "account=dept-physics")
	l, _ := ofOwners(t, c, "dept-")
	ex, _ := running(t, l.config())
	_, err := ex.Start(t.Context(), l.task(nextJob(), 1, owned("physics", counted)))
	var f *executor.Failure
	if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED || !strings.Contains(f.Message, "is not known to be that of physics") {
		t.Fatalf("Start() = %v", err)
	}
	// The message has the way out.
	_, command, _ := strings.Cut(strings.TrimSuffix(f.Message, "."), "sacctmgr ")
	if out, err := runShell(t, c, "sacctmgr -i "+command); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	l.bringAll(ex, 1, always(owned("physics", counted)), zero)

	if err := os.Chmod(c.Dir, 0o755); err != nil { // for the other user below
		t.Fatal(err)
	}
	denied := newLab(t, c)
	denied.change = func(cfg *slurm.Config) {
		cfg.Accounts = slurm.Accounts{Mode: slurm.AccountsPerOwner, Prefix: "denied-"}
		cfg.Commands["sacctmgr"] = script(t, `exec setpriv --reuid=65534 --clear-groups sacctmgr "$@"`) // as a user without the right
	}
	ex, _ = running(t, denied.config())
	h, err := denied.start(ex, denied.task(nextJob(), 1, owned("alice", counted)))
	if err != nil {
		t.Fatal(err)
	}
	o := denied.follow(ex, h).until("ENGINE_HELD", func(o executor.Observation) bool { return o.Reason == jobsv1.Reason_REASON_ENGINE_HELD })
	if !strings.Contains(o.Message, "the operator must let Stint's user manage accounts") {
		t.Errorf("observed %q", o.Message)
	}
}

// testRulesOfServer checks what users of a real server may name, and what it says.
func testRulesOfServer(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	srv := newStintd(t, c, stintdOptions{cluster: "    accounts: per-owner\n    account-prefix: srv-\n    allow:\n      - {users: ['*'], accounts: [gateway], partitions: [main]}\n"})
	jobs := jobsv1.NewJobServiceClient(srv.conn)
	submit := func(owner string, r *jobsv1.Resources) (*jobsv1.SubmitResponse, error) {
		return jobs.Submit(t.Context(), &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Append", Owner: owner, Resources: r}, Reason: "a test"})
	}
	var wg sync.WaitGroup
	for _, owner := range []string{"ann", "bob", "ann"} {
		wg.Go(func() {
			if _, err := submit(owner, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for want, r := range map[string]*jobsv1.Resources{
		`job.resources.account: is "root", an account of slurm that jobs of ann may not name; leave it out, or name one of these accounts: gateway`: {Account: "root"},
		`job.resources.account: is "srv-bob"`: {Account: "srv-bob"},
		`job.resources.qos: is "normal"`:      {Qos: "normal"},
		`job.resources.constraint: is "x"`:    {Constraint: "x"},
		`job.resources.partition: is "other"`: {Partition: "other"},
	} {
		if _, err := submit("ann", r); !strings.Contains(violations(err), want) {
			t.Errorf("Submit() = %v %s, want %s", err, violations(err), want)
		}
	}
	if _, err := submit("ann", &jobsv1.Resources{Account: "srv-ann", Partition: "main"}); err != nil {
		t.Error(err)
	}
	if err := untilFinal(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	c.Until("three jobs of ann and one of bob in accounting", func() bool {
		used := c.Run("sacct", "-n", "-P", "-X", "-a", "-S", "now-1hour", "-o", "Account,State")
		return strings.Count(used, "srv-ann|COMPLETED") == 3 && strings.Count(used, "srv-bob|COMPLETED") == 1
	})
}

// violations are the fields of a refused request and what is wrong with them.
func violations(err error) string {
	var all []string
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				all = append(all, v.GetField()+": "+v.GetDescription())
			}
		}
	}
	return strings.Join(all, "\n")
}

// runShell runs a line of a shell on the cluster.
func runShell(t *testing.T, c *slurmtest.Cluster, line string) (string, error) {
	t.Helper()
	return c.Try("/bin/sh", "-c", line)
}
