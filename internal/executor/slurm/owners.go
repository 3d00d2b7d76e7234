package slurm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/batch"
)

// owners are the accounts of owners that were seen on the cluster by this process. An account is looked at before
// the first job is charged to it, as one of that name could belong to another user; and again when sbatch refuses it.
type owners struct {
	busy chan struct{} // one sacctmgr at a time, so that however many first jobs there are, an account is made once

	mu    sync.Mutex
	seen  map[string]sighting // by owner
	pause time.Time           // until then sacctmgr is not asked again
	why   batch.Submitted     // what it said last
	away  bool                // it did not answer when a refusal was to be judged last
	back  time.Time           // when it first answered again
}

// sighting is of an owner's account.
type sighting struct {
	at   time.Time
	made time.Time // when this process made it; zero where it was there
}

const (
	// accountingPause is between two questions to an accounting that does not answer, whosever jobs wait for it.
	accountingPause = 10 * time.Second
	// accountLag is how long the controller may take to hear of a new account.
	accountLag = time.Minute
)

func newOwners() *owners {
	return &owners{busy: make(chan struct{}, 1), seen: make(map[string]sighting)}
}

// ensureAccount sees to it that the owner of a job has an account, and that it is theirs. The result is nil when all is
// well, and else what became of the submission. What was found before since is not believed.
func (e *engine) ensureAccount(ctx context.Context, owner, account string, since time.Time) *batch.Submitted {
	if !e.owners.lacks(owner, since) {
		return nil
	}
	select {
	case e.owners.busy <- struct{}{}:
		defer func() { <-e.owners.busy }()
	case <-ctx.Done():
		return &batch.Submitted{Outcome: batch.Unavailable, Err: ctx.Err()}
	}
	if !e.owners.lacks(owner, since) { // another call was faster
		return nil
	}
	if why := e.owners.paused(); why != nil {
		return why
	}
	asked := time.Now()
	made, err := e.makeAccount(ctx, owner, account)
	var foreign *foreignError
	switch {
	case err == nil:
		e.owners.note(owner, sighting{at: asked, made: made})
		return nil
	case errors.As(err, &foreign):
		return &batch.Submitted{Outcome: batch.Refused, Message: foreign.Error()}
	default:
		why := heldForAccount(owner, err)
		e.owners.rest(why)
		e.log.Warn("the account of an owner cannot be made or looked at; jobs of owners wait", "owner", owner, "account", account, "error", err)
		return &why
	}
}

// lacks reports whether the account of an owner has to be looked at.
func (o *owners) lacks(owner string, since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.seen[owner]
	return !ok || !s.at.After(since)
}

func (o *owners) note(owner string, s sighting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.made.IsZero() {
		s.made = o.seen[owner].made
	}
	o.seen[owner], o.pause = s, time.Time{}
}

// isNew reports whether an owner's account was made a short while ago.
func (o *owners) isNew(owner string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	made := o.seen[owner].made
	return !made.IsZero() && time.Since(made) < accountLag
}

func (o *owners) rest(why batch.Submitted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pause, o.why = time.Now().Add(accountingPause), why
}

// paused returns what sacctmgr said last if it is too early to ask it again.
func (o *owners) paused() *batch.Submitted {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !time.Now().Before(o.pause) {
		return nil
	}
	why := o.why
	return &why
}

// foreignError means that the account which would be an owner's is not known to be theirs.
type foreignError struct{ account, owner, description string }

func (f *foreignError) Error() string {
	return fmt.Sprintf("The account %s of the cluster is not known to be that of %s. The operator can give the accounts of owners another prefix, "+
		"or say whose it is: sacctmgr modify account %[1]s set description=%[3]q.", f.account, f.owner, f.description)
}

// errDenied means that Stint's user may not manage accounts.
var errDenied = errors.New("sacctmgr")

// heldForAccount is a submission that waits for an account.
func heldForAccount(owner string, err error) batch.Submitted {
	hold := batch.Hold{
		Reason: jobsv1.Reason_REASON_WAITING_FOR_ENGINE,
		Message: "The cluster's accounting does not answer, and the account of " + owner +
			" must be looked up there first; the job is handed over when it does. It said: " + sentence(batch.Plain(err.Error())),
	}
	if errors.Is(err, errDenied) {
		hold.Reason = jobsv1.Reason_REASON_ENGINE_HELD
		hold.Message = "The account of " + owner + " could not be made: the operator must let Stint's user manage accounts of the cluster. " +
			"The cluster said: " + sentence(batch.Plain(err.Error()))
	}
	return batch.Submitted{Outcome: batch.Deferred, Err: err, Words: batch.Plain(err.Error()), Hold: hold}
}

// makeAccount makes what is missing of an account, and reads what is there afterwards, until all is there. It returns
// when it made something, which is zero where nothing was missing.
func (e *engine) makeAccount(ctx context.Context, owner, account string) (made time.Time, err error) {
	cluster, err := e.clusterName(ctx)
	if err != nil {
		return made, err
	}
	var last error // what the latest call that was to change something said
	for range 3 {
		found, err := e.readAccount(ctx, account, cluster)
		switch {
		case errors.Is(err, errNoAssociations):
			return made, nil // a cluster without accounting charges no account
		case err != nil:
			return made, err
		case found.exists && found.description != e.descriptionOf(owner):
			return made, &foreignError{account: account, owner: owner, description: e.descriptionOf(owner)}
		case found.user:
			return made, nil
		}
		made = time.Now()
		if last = e.addMissing(ctx, owner, account, cluster, found); errors.Is(last, errDenied) {
			return made, last
		}
	}
	if last == nil {
		last = errors.New("it succeeds, and they are not there")
	}
	return made, fmt.Errorf("sacctmgr does not make the account %s and its user %s: %w", account, e.cfg.User, last)
}

// addMissing adds what an account lacks.
func (e *engine) addMissing(ctx context.Context, owner, account, cluster string, found accountFound) error {
	if !found.onCluster {
		args := []string{"add", "account", account, "cluster=" + cluster, "description=" + e.descriptionOf(owner), "organization=stint"}
		if e.cfg.Accounts.Parent != "" {
			args = append(args, "parent="+e.cfg.Accounts.Parent)
		}
		if err := e.changeAccounts(ctx, args); err != nil {
			return err
		}
	}
	return e.changeAccounts(ctx, []string{"add", "user", e.cfg.User, "account=" + account, "cluster=" + cluster})
}

// clusterName returns the name under which accounting knows the cluster.
func (e *engine) clusterName(ctx context.Context) (string, error) {
	for range 2 {
		e.mu.Lock()
		name := e.found.cluster
		e.mu.Unlock()
		if name != "" {
			return name, nil
		}
		if _, err := e.Probe(ctx); err != nil {
			return "", err
		}
	}
	return "", errors.New("scontrol: the configuration has no ClusterName")
}

// accountFound is what accounting has of an account.
type accountFound struct {
	exists      bool   // for some cluster
	description string // empty where it does not exist
	onCluster   bool   // it has an association with this cluster
	user        bool   // and so has Stint's user in it
}

// errNoAssociations means that the cluster has no accounting that could have accounts.
var errNoAssociations = errors.New("the cluster has no accounts")

// readAccount asks for an account and its associations. What is no row of the answer is an error.
func (e *engine) readAccount(ctx context.Context, account, cluster string) (accountFound, error) {
	var found accountFound
	rows, err := e.show(ctx, 2, "account", "where", "name="+account, "format=Account,Description")
	if err != nil {
		return found, err
	}
	for _, f := range rows {
		if f[0] != account {
			return found, fmt.Errorf("sacctmgr's answer has a row that was not asked for: %.200q", f)
		}
		found.exists, found.description = true, f[1]
	}
	rows, err = e.show(ctx, 3, "assoc", "where", "account="+account, "cluster="+cluster, "format=Account,Cluster,User")
	if err != nil {
		return found, err
	}
	for _, f := range rows {
		if f[0] != account || f[1] != cluster {
			return found, fmt.Errorf("sacctmgr's answer has a row that was not asked for: %.200q", f)
		}
		found.onCluster = found.onCluster || f[2] == ""
		found.user = found.user || f[2] == e.cfg.User
	}
	return found, nil
}

// show is one question to accounting, whose rows have n fields. The last of them may be anything.
func (e *engine) show(ctx context.Context, n int, what ...string) ([][]string, error) {
	const tries = 3 // while the answer does not arrive whole: a question may be asked again at once
	var a batch.Answer
	for range tries {
		if a = e.sacctmgr(ctx, append([]string{"--noheader", "--parsable2", "show"}, what...)); !errors.Is(a.Err, batch.ErrBroken) {
			break
		}
	}
	if !a.OK() {
		return nil, accountingFailure(a)
	}
	if strings.Contains(a.Stderr, "error:") {
		return nil, errors.New("sacctmgr: " + a.Words()) // it succeeded with less than there is
	}
	var rows [][]string
	for line := range strings.Lines(a.Stdout) {
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			continue
		}
		f := strings.SplitN(line, "|", n)
		if len(f) != n {
			return nil, fmt.Errorf("sacctmgr's answer has what is no row: %.200q", line)
		}
		rows = append(rows, f)
	}
	return rows, nil
}

// changeAccounts is one change. Nothing rests on what it says but why it failed: what is there is read afterwards.
func (e *engine) changeAccounts(ctx context.Context, args []string) error {
	a := e.sacctmgr(ctx, append([]string{"--immediate"}, args...))
	if a.OK() || a.Err == nil && strings.TrimSpace(a.Stdout+a.Stderr) == "Nothing new added." {
		return nil
	}
	return accountingFailure(a)
}

func (e *engine) sacctmgr(ctx context.Context, args []string) batch.Answer {
	return e.run(ctx, batch.Call{Program: "sacctmgr", Args: args, Timeout: e.cfg.Timeouts.Account})
}

var (
	deniedPattern    = regexp.MustCompile(`(?i)permission denied|access denied|don't have permission|your user/uid`)
	noStoragePattern = regexp.MustCompile(`(?i)not running a supported accounting_storage plugin|accounting storage is disabled`)
)

// accountingFailure is why sacctmgr did not do what it was to, which it says on either stream.
func accountingFailure(a batch.Answer) error {
	said := a.Stderr + "\n" + a.Stdout
	both := a
	both.Stderr = said
	switch {
	case a.Err != nil:
		return a.Failure()
	case noStoragePattern.MatchString(said):
		return errNoAssociations
	case deniedPattern.MatchString(said):
		return fmt.Errorf("%w: %s", errDenied, both.Words())
	default:
		return both.Failure()
	}
}

// accountsPattern are Slurm's errors that rest on what the controller knows of accounts, which it has from the accounting.
var accountsPattern = regexp.MustCompile(`(?i)^(invalid account or account/partition combination|invalid qos specification)`)

// aboutAccounts reports whether sbatch refused a job for its account or its quality of service.
func aboutAccounts(a batch.Answer) bool {
	failed := failedPattern.FindAllStringSubmatch(a.Stderr, -1)
	return a.Err == nil && a.Code == 1 && len(failed) > 0 && accountsPattern.MatchString(failed[len(failed)-1][1])
}

// wasAway notes whether accounting answers, and reports whether it did not until a short while ago: the
// controller hears of what is in it with a delay.
func (o *owners) wasAway(err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil && o.away {
		o.back = time.Now()
	}
	o.away = err != nil
	return o.away || !o.back.IsZero() && time.Since(o.back) < accountLag
}

// unlessAccountingIsAway returns a refusal for an account's sake, unless the accounting does not answer or did not a short
// while ago: then the controller may not know the account yet, and nothing is final.
func (e *engine) unlessAccountingIsAway(ctx context.Context, refused batch.Submitted) batch.Submitted {
	_, err := e.Account(ctx, batch.Query{Names: []string{"stint-" + e.cfg.InstallID}, Since: time.Now()})
	if errors.Is(err, batch.ErrNoAccounting) || !e.owners.wasAway(err) {
		return refused
	}
	if err == nil {
		err = errors.New("it answers again")
	}
	words := batch.Plain(err.Error())
	return batch.Submitted{Outcome: batch.Deferred, Err: err, Words: refused.Message + " " + words, Hold: batch.Hold{
		Reason: jobsv1.Reason_REASON_WAITING_FOR_ENGINE,
		Message: "The cluster does not know the job's account while its accounting does not answer; the job is handed over again when it does. " +
			refused.Message,
	}}
}

// whileNew returns a refusal of an owner's account, unless that is so new that the controller may not have heard of it.
func (e *engine) whileNew(owner string, refused batch.Submitted) batch.Submitted {
	if !e.owners.isNew(owner) {
		return refused
	}
	return batch.Submitted{Outcome: batch.Deferred, Err: errors.New(refused.Message), Words: refused.Message, Hold: batch.Hold{
		Reason:  jobsv1.Reason_REASON_WAITING_FOR_ENGINE,
		Message: "The account of " + owner + " was just made, and the cluster does not know it yet; the job is handed over again.",
	}}
}
