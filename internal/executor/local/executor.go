//go:build linux

package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/workdir"
)

// CgroupNone as Config.Cgroup uses no cgroups.
const CgroupNone = "none"

// Config is what an Executor needs. Only Folders is required.
type Config struct {
	// Folders hold the attempts. Handles are relative to it, so it may move while no job runs.
	Folders *workdir.Root
	// Name of the executor. Empty means `local`.
	Name string
	// ShimArgv is the program, with its first arguments, that calls shim.Main
	// with the rest. Nil means Shim, or else this program with the argument `shim`.
	ShimArgv []string
	// Shim is the file of the program stintd-shim, which starts in less time. It is used if it is there
	// and of the same Version. Empty means none.
	Shim string
	// Version of this program.
	Version string
	// Place names where this executor starts attempts. What is left of an attempt that was started at another place is
	// never ended: its processes may be those of another installation's job, of which this one has a copy.
	Place string
	// Grace is how long a command has to end after SIGTERM. Zero means 10 s.
	Grace time.Duration
	// HeadBytes is how much of the begin of each output stream is kept. Zero means 16 MiB.
	HeadBytes int64
	// TailBytes is the size of the segments that the rest of an output stream
	// is written in; the last two are kept. Zero means 8 MiB.
	TailBytes int64
	// CPUs and MemoryBytes are what the executor says it has. Zero means all of the machine.
	CPUs int32
	// MemoryBytes is in bytes.
	MemoryBytes int64
	// GPUs are the indexes of the graphics processors that attempts may be given. A command sees
	// those that its attempt was given. Empty says nothing to commands: they see all that there are.
	GPUs []int32
	// Cgroup is the folder of the cgroup (v2) below which each attempt gets
	// one. Empty means this process's own, if it may make some there; CgroupNone means none.
	Cgroup string
	// Sandbox is what commands are kept apart by. The zero value is none.
	Sandbox Sandbox
	// Logger gets what an operator should know. Nil discards it.
	Logger *slog.Logger
}

// Executor runs attempts on this machine. It starts no goroutines, so there is
// nothing to close: jobs go on without it.
type Executor struct {
	cfg      Config
	log      *slog.Logger
	node     string
	boot     string
	slack    int // how late timers of this process may be, in ns
	cgroup   cgroupParent
	sandbox  sandbox
	starting keyed

	mu     sync.Mutex
	shims  map[string]ownShim // by attempt
	idle   []ownShim          // that wait for another attempt
	ended  map[int]bool       // those that should be zombies by now
	active map[string]*inUse
}

// inUse is an attempt that takes part of the machine.
type inUse struct {
	resources *jobsv1.Resources
	told      bool // Started has told that its command runs
}

var (
	_ executor.Executor = (*Executor)(nil)
	_ executor.Reporter = (*Executor)(nil)
	_ executor.Prompt   = (*Executor)(nil)
)

// New checks the configuration and looks at what the machine has.
func New(cfg Config) (*Executor, error) {
	if cfg.Folders == nil {
		return nil, errors.New("local executor: Folders is required")
	}
	if cfg.Name == "" {
		cfg.Name = "local"
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.HeadBytes <= 0 {
		cfg.HeadBytes = 16 << 20
	}
	if cfg.TailBytes <= 0 {
		cfg.TailBytes = 8 << 20
	}
	if cfg.CPUs <= 0 {
		cfg.CPUs = int32(runtime.NumCPU())
	}
	if cfg.MemoryBytes <= 0 {
		var err error
		if cfg.MemoryBytes, err = physicalMemory(); err != nil {
			return nil, fmt.Errorf("local executor: %w", err)
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.ShimArgv == nil {
		cfg.ShimArgv = findShim(cfg)
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, fmt.Errorf("local executor: %w", err)
	}
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("local executor: see how late timers may be: %w", err)
	}
	node, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("local executor: %w", err)
	}
	log := cfg.Logger.With("executor", cfg.Name)
	box, err := findSandbox(cfg)
	if err != nil {
		return nil, err
	}
	e := &Executor{
		cfg: cfg, log: log, node: node, boot: boot, slack: slack, cgroup: findCgroup(cfg.Cgroup), sandbox: box,
		shims: make(map[string]ownShim), ended: make(map[int]bool), active: make(map[string]*inUse),
	}
	level := slog.LevelInfo
	if box.mode != SandboxOff && !box.on() {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "what is enforced for local jobs", "message", e.enforced())
	return e, nil
}

// Sandboxed reports whether commands run in a sandbox, which shows them the input folder of their job read-only.
func (e *Executor) Sandboxed() bool { return e.sandbox.on() }

// Status tells what the machine has, what is in use, and what is enforced.
func (e *Executor) Status() *adminv1.ExecutorStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &adminv1.ExecutorStatus{
		Name: e.cfg.Name, Healthy: true, Message: e.enforced(),
		ActiveJobs: int32(len(e.active)), TotalCpus: e.cfg.CPUs, TotalMemoryBytes: e.cfg.MemoryBytes,
	}
	for _, u := range e.active {
		s.UsedCpus += u.resources.GetCpus()
		s.UsedMemoryBytes += u.resources.GetMemoryBytes()
	}
	return s
}

// enforced says it in words for an operator.
func (e *Executor) enforced() string { return e.cgroup.describe() + "; " + e.sandbox.describe() }

// use counts an attempt's resources until unuse.
func (e *Executor) use(a workdir.Attempt, r *jobsv1.Resources) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active[a.Name()] = &inUse{resources: r}
}

// tell notes that Started has told that an attempt in use runs.
func (e *Executor) tell(a workdir.Attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if u := e.active[a.Name()]; u != nil {
		u.told = true
	}
}

// hasTold reports whether tell was called.
func (e *Executor) hasTold(a workdir.Attempt) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.active[a.Name()]
	return u != nil && u.told
}

// unuse ends use, and frees the attempt's shim.
func (e *Executor) unuse(a workdir.Attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.active, a.Name())
	e.freeShim(a)
	e.reap()
}

// attempt is the attempt that a handle names.
func (e *Executor) attempt(h executor.Handle) (workdir.Attempt, error) {
	return e.cfg.Folders.AttemptByName(string(h))
}

func handleOf(a workdir.Attempt) executor.Handle { return executor.Handle(a.Name()) }

// physicalMemory is the machine's, in bytes.
func physicalMemory() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kib, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kib, "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no MemTotal in /proc/meminfo")
}

// keyed lets one goroutine at a time do something about a key. The zero value is ready.
type keyed struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// enter waits until nobody else is in for the key.
func (k *keyed) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		k.mu.Lock()
		left, busy := k.busy[key]
		if !busy {
			if k.busy == nil {
				k.busy = make(map[string]chan struct{})
			}
			left = make(chan struct{})
			k.busy[key] = left
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				defer k.mu.Unlock()
				delete(k.busy, key)
				close(left)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
