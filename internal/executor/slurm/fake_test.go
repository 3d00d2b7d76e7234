package slurm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// fakeSlurm is a controller in memory that does what real ones were seen to do
// when told: lie, hang, forget, use ids again. It takes the place of the commands, and of the nodes
// too: it runs the attempts' scripts in effigy, with their lock and their record in the real folders.
type fakeSlurm struct {
	t testing.TB

	mu     sync.Mutex
	lastID int
	jobs   []*fakeJob
	books  map[int]*fakeJob // accounting, by a sequence number that ids are not
	seq    int
	runs   map[string]int // how often the command of a token was begun

	line       executortest.Connection
	breaks     int          // every so many answers the connection breaks off; never if 0
	answered   int          // over such a connection
	sbatch     []fakeSubmit // what the next calls of sbatch do; accept when there is none
	boot       time.Time    // when the controller began; zero if it does not say
	broken     batch.Answer // what squeue answers, if it has a code or an error
	noBooks    bool         // sacct says that there is no accounting
	booksDown  bool         // sacct fails
	booksHang  bool         // sacct does not answer
	calls      map[string]int
	accounts   fakeAccounts
	slow       time.Duration // how long squeue takes
	inSqueue   int
	mostSqueue int
}

// fakeJob is one Slurm job.
type fakeJob struct {
	id, restarts, code, signal int
	name, state, reason, dir   string
	submit, start, end         time.Time
	uid                        string
	owner                      bool // its run holds the lock
	seq                        int
}

// fakeSubmit is what a call of sbatch does.
type fakeSubmit struct {
	take   bool         // whether the controller takes the job
	late   bool         // whether it takes it only when sbatch is already over, by a minute less
	hang   bool         // whether sbatch hangs
	answer batch.Answer // otherwise
}

var (
	saysTimeout = batch.Answer{Code: 1, Stderr: "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"}
	saysDown    = batch.Answer{Code: 1, Stderr: "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"}
	saysNo      = batch.Answer{Code: 1, Stderr: "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"}
)

func newFake(tb testing.TB) *fakeSlurm {
	tb.Helper()
	return &fakeSlurm{t: tb, runs: make(map[string]int), books: make(map[int]*fakeJob), calls: make(map[string]int)}
}

// record is an exit record as the script writes it.
type record struct {
	workdir.ExitRecord
	Terminated bool `json:"terminated"`
}

// run is batch.Shell.Run.
func (f *fakeSlurm) run(ctx context.Context, c batch.Call) batch.Answer {
	a := f.answer(ctx, c)
	f.mu.Lock()
	line := f.line
	if f.answered++; f.breaks > 0 && f.answered%f.breaks == 0 {
		line.Cut = 40
	}
	f.mu.Unlock()
	if a.Err == nil { // over the same frame as a real one, by way of a connection that has its faults
		mark := batch.NewMark()
		a, a.Err = mark.Read(line.Pass(mark.Write(a)))
	}
	a.Program = c.Program
	return a
}

func (f *fakeSlurm) answer(ctx context.Context, c batch.Call) batch.Answer {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, batch.ErrTimeout)
	defer cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[c.Program]++
	switch c.Program {
	case "sbatch":
		return f.runSbatch(ctx, c)
	case "squeue":
		return f.runSqueue(ctx, c)
	case "sacct":
		return f.runSacct(ctx, c)
	case "scancel":
		return f.runScancel(c)
	case "sacctmgr":
		return f.runSacctmgr(ctx, c)
	case "scontrol":
		if f.broken != (batch.Answer{}) {
			return f.broken
		}
		storage := "accounting_storage/slurmdbd"
		if f.noBooks {
			storage = "accounting_storage/none"
		}
		return batch.Answer{Stdout: "BOOT_TIME = " + epoch(f.boot) + "\nClusterName = hpc\nSLURM_VERSION = 22.05.8\nMinJobAge = 300 sec\nMessageTimeout = 10 sec\nAccountingStorageType = " + storage + "\nJobAcctGatherFrequency = 30\n"}
	}
	return batch.Answer{Code: 127}
}

// hang waits for the end of ctx, as a command that got no answer.
func (f *fakeSlurm) hang(ctx context.Context) batch.Answer {
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	return batch.Answer{Code: -1, Err: context.Cause(ctx)}
}

func (f *fakeSlurm) runSbatch(ctx context.Context, c batch.Call) batch.Answer {
	do := fakeSubmit{take: true}
	if len(f.sbatch) > 0 {
		do, f.sbatch = f.sbatch[0], f.sbatch[1:]
	}
	var name, dir string
	for _, a := range c.Args {
		if v, ok := strings.CutPrefix(a, "--job-name="); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(a, "--chdir="); ok {
			dir = v
		}
	}
	if !strings.Contains(string(c.Stdin), "dir="+batch.Quote(dir)) {
		f.t.Errorf("the script of %s is %q", name, c.Stdin)
	}
	if refused := f.accounts.refuse(c.Args); refused != (batch.Answer{}) && do.take {
		return refused
	}
	take := func() *fakeJob {
		f.lastID++
		f.seq++
		j := &fakeJob{id: f.lastID, name: name, dir: dir, state: "PENDING", reason: "None", submit: time.Now(), seq: f.seq}
		f.jobs = append(f.jobs, j)
		f.books[j.seq] = j
		return j
	}
	switch {
	case do.late:
		go func() {
			t := time.NewTimer(50 * time.Second)
			defer t.Stop()
			<-t.C
			f.mu.Lock()
			defer f.mu.Unlock()
			take()
		}()
	case do.take:
		j := take()
		if do.answer == (batch.Answer{}) && !do.hang {
			return batch.Answer{Stdout: strconv.Itoa(j.id) + "\n"}
		}
	}
	if do.hang {
		return f.hang(ctx)
	}
	return do.answer
}

func (f *fakeSlurm) runSqueue(ctx context.Context, c batch.Call) batch.Answer {
	f.inSqueue++
	f.mostSqueue = max(f.mostSqueue, f.inSqueue)
	defer func() { f.inSqueue-- }()
	if errors.Is(f.broken.Err, batch.ErrTimeout) {
		return f.hang(ctx)
	}
	if f.broken != (batch.Answer{}) {
		return f.broken
	}
	if f.slow > 0 {
		f.mu.Unlock()
		<-time.After(f.slow)
		f.mu.Lock()
	}
	var b strings.Builder
	format := c.Args[len(c.Args)-1]
	rowEnd := format[strings.LastIndex(format, ":")+1:]
	for _, j := range f.jobs {
		b.WriteString(strings.Join([]string{
			strconv.Itoa(j.id), j.state, j.reason, fmt.Sprintf("%d:%d", j.code, j.signal), strconv.Itoa(j.restarts), "n1",
			epoch(j.submit), epoch(j.start), epoch(j.end), strconv.Itoa(j.id), j.name,
		}, fieldEnd) + rowEnd + "\n")
	}
	b.WriteString(strings.Join([]string{"1", "RUNNING", "None", "0:0", "0", "n1", "1", "1", "N/A", "1", "somebody's\n" + fieldEnd + "job\x1e"}, fieldEnd) + rowEnd + "\n")
	return batch.Answer{Stdout: b.String()}
}

func (f *fakeSlurm) runSacct(ctx context.Context, c batch.Call) batch.Answer {
	switch {
	case f.noBooks:
		return batch.Answer{Code: 1, Stderr: "Slurm accounting storage is disabled\n"}
	case f.booksHang:
		return f.hang(ctx)
	case f.booksDown:
		return batch.Answer{Code: 1, Stderr: "sacct: error: Problem talking to the database: Connection refused\n"}
	}
	wanted := make(map[string]bool)
	var delimiter string
	for _, a := range c.Args {
		if v, ok := strings.CutPrefix(a, "--delimiter="); ok {
			delimiter = v
		}
		for _, option := range []string{"--jobs=", "--name="} {
			if list, ok := strings.CutPrefix(a, option); ok {
				for one := range strings.SplitSeq(list, ",") {
					wanted[one] = true
				}
			}
		}
	}
	var b strings.Builder
	for seq := 1; seq <= f.seq; seq++ {
		j := f.books[seq]
		if j == nil || !wanted[j.name] && !wanted[strconv.Itoa(j.id)] {
			continue
		}
		state := j.state
		if j.uid != "" {
			state += " by " + j.uid
		}
		for _, part := range [][2]string{{"", j.name}, {".batch", "batch"}} {
			b.WriteString(strings.Join([]string{
				strconv.Itoa(j.id) + part[0], state, fmt.Sprintf("%d:%d", j.code, j.signal), "3", "00:01.000", "1000000",
				"cpu=1,mem=100M", "n1", epoch(j.submit), epoch(j.start), epoch(j.end), "None", part[1], strconv.Itoa(j.id) + part[0],
			}, delimiter) + "\n")
		}
	}
	return batch.Answer{Stdout: b.String()}
}

func (f *fakeSlurm) runScancel(c batch.Call) batch.Answer {
	if f.broken != (batch.Answer{}) {
		return batch.Answer{Code: 8, Stderr: "scancel: error: Unable to contact slurm controller\n"}
	}
	var name, id string
	for _, a := range c.Args {
		if v, ok := strings.CutPrefix(a, "--name="); ok {
			name = v
		} else if isNumber(a) {
			id = a
		}
	}
	for _, j := range f.jobs {
		if j.name == name && (id == "" || id == strconv.Itoa(j.id)) {
			f.cancelLocked(j, "0")
		}
	}
	return batch.Answer{}
}

func epoch(t time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// live are the jobs that are not over, by their states.
func (f *fakeSlurm) live(states ...string) []*fakeJob {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*fakeJob
	for _, j := range f.jobs {
		for _, s := range states {
			if j.state == s {
				found = append(found, j)
			}
		}
	}
	return found
}

// start runs a pending job's script up to where the command runs, if the lock lets it.
func (f *fakeSlurm) start(j *fakeJob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j.start, j.state, j.reason = time.Now(), "RUNNING", "None"
	if err := os.Mkdir(filepath.Join(j.dir, "batch.lock"), 0o755); err != nil {
		owner, _ := os.ReadFile(filepath.Join(j.dir, "batch.owner"))
		if first, _, _ := strings.Cut(string(owner), " "); first == strconv.Itoa(j.id) {
			f.write(j, "batch.again", "")
		}
		j.state, j.end = "COMPLETED", time.Now()
		return
	}
	f.write(j, "batch.owner", strconv.Itoa(j.id)+" n1\n")
	f.runs[j.name]++
	j.owner = true
}

// finish ends the command by itself.
func (f *fakeSlurm) finish(j *fakeJob, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record(j, record{ExitRecord: workdir.ExitRecord{Code: code}})
	j.state, j.reason, j.code, j.end = "COMPLETED", "None", code, time.Now()
	if code != 0 {
		j.state, j.reason = "FAILED", "NonZeroExitCode"
	}
}

func (f *fakeSlurm) record(j *fakeJob, r record) {
	r.EngineID, r.Node, r.Start, r.End = strconv.Itoa(j.id), "n1", j.start, time.Now()
	r.Usage = &workdir.ExitUsage{MaxRSSBytes: 4096, CPUSeconds: 1, ElapsedSeconds: 1}
	data, err := json.Marshal(r)
	if err != nil {
		f.t.Error(err)
	}
	f.write(j, "exit.json", string(data))
}

func (f *fakeSlurm) write(j *fakeJob, name, text string) {
	path := filepath.Join(j.dir, name)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		f.t.Error(err)
	}
}

// cancel is an scancel by somebody else.
func (f *fakeSlurm) cancel(j *fakeJob, uid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancelLocked(j, uid)
}

func (f *fakeSlurm) cancelLocked(j *fakeJob, uid string) {
	switch {
	case j.state == "RUNNING" && j.owner:
		f.record(j, record{ExitRecord: workdir.ExitRecord{Code: -1, Signal: 15}, Terminated: true})
	case j.state == "RUNNING", j.state == "PENDING":
	default:
		return
	}
	j.state, j.end, j.uid = "CANCELLED", time.Now(), uid
}

// purge makes squeue forget what is over. With reuse the next job gets the id of the first one.
func (f *fakeSlurm) purge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []*fakeJob
	for _, j := range f.jobs {
		if j.state == "PENDING" || j.state == "RUNNING" {
			left = append(left, j)
		}
	}
	f.jobs = left
}

// crash is kill -9 of the controller soon after: what it knew of these jobs is
// lost, as are their accounts, and the next job gets the id of one of them.
func (f *fakeSlurm) crash(lost ...*fakeJob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range lost {
		for i, k := range f.jobs {
			if k == j {
				f.jobs = append(f.jobs[:i], f.jobs[i+1:]...)
				break
			}
		}
		delete(f.books, j.seq)
		f.lastID = min(f.lastID, j.id-1)
		if j.state == "RUNNING" && j.owner { // its node ends what its controller does not know
			f.record(j, record{ExitRecord: workdir.ExitRecord{Code: -1, Signal: 15}, Terminated: true})
			j.state = "forgotten"
		}
	}
}

// forgetStart is kill -9 of the controller soon after a job started: to its
// successor the job is pending, and the node ends the run.
func (f *fakeSlurm) forgetStart(j *fakeJob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.owner {
		f.record(j, record{ExitRecord: workdir.ExitRecord{Code: -1, Signal: 15}, Terminated: true})
		j.owner = false
	}
	j.state, j.reason, j.start = "PENDING", "None", time.Time{}
}

// mistake is what a controller that was killed does, once it is back, with a
// pending job whose id it had given out before: the end of the first job ends the second.
func (f *fakeSlurm) mistake(j *fakeJob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boot = time.Now()
	f.cancelLocked(j, "0")
}

func (f *fakeSlurm) set(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *fakeSlurm) count(program string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[program]
}

func (f *fakeSlurm) runsOf(token string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runs[token]
}

// world is an executor on a fake cluster, in a bubble of fake time.
type world struct {
	*fakeSlurm
	t    *testing.T
	root *workdir.Root
	c    *batch.Cluster
	stop func()
	// change is what is special about the executor, from the next restart on.
	change func(*Config)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := workdir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{fakeSlurm: newFake(t), t: t, root: root, stop: func() {}}
	w.restart()
	t.Cleanup(func() {
		w.stop()
		root.Close()
	})
	return w
}

// restart is that of the server.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	cfg := Config{Name: "slurm", Folders: w.root, InstallID: "test", User: "me"}
	if w.change != nil {
		w.change(&cfg)
	}
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		w.t.Fatal(err)
	}
	c, err := newCluster(cfg, w.fakeSlurm.run)
	if err != nil {
		w.t.Fatal(err)
	}
	w.c = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run() = %v", err)
		}
	}
}

// task is an attempt with a folder.
func (w *world) task(id job.ID, attempt int) executor.Task {
	w.t.Helper()
	a := w.root.Job(id).Attempt(attempt)
	if err := errors.Join(w.root.Job(id).Create(), a.Create()); err != nil {
		w.t.Fatal(err)
	}
	r := &jobsv1.Resources{Cpus: 1, MemoryBytes: 1 << 20}
	return executor.Task{
		Job: &jobsv1.Job{Id: id.String(), Resources: r}, Attempt: attempt, Dir: a,
		Command: executor.Command{Argv: []string{"/bin/true"}, Resources: r},
	}
}

func (w *world) begin(t executor.Task) executor.Handle {
	w.t.Helper()
	h, err := w.c.Start(w.t.Context(), t)
	if err != nil {
		w.t.Fatalf("Start() = %v", err)
	}
	return h
}

// waiter is a Wait that goes on.
type waiter struct {
	mu   sync.Mutex
	seen []executor.Observation
	done chan struct{}
	exit executor.Exit
	err  error
	stop func()
}

func (w *world) wait(h executor.Handle) *waiter {
	ctx, cancel := context.WithCancel(context.Background())
	wt := &waiter{done: make(chan struct{}), stop: cancel}
	c := w.c
	go func() {
		defer close(wt.done)
		wt.exit, wt.err = c.Wait(ctx, h, func(o executor.Observation) {
			wt.mu.Lock()
			defer wt.mu.Unlock()
			wt.seen = append(wt.seen, o)
		})
	}()
	w.t.Cleanup(func() {
		cancel()
		<-wt.done
	})
	return wt
}

// last is the latest observation.
func (w *waiter) last() executor.Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return executor.Observation{}
	}
	return w.seen[len(w.seen)-1]
}

func (w *waiter) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}
