//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// requireSandbox skips a test where there is no bubblewrap, unless the programs are required.
func requireSandbox(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("bwrap")
	if err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "programs") {
		t.Fatal(err)
	}
	t.Skip(err)
}

// sandboxed is testConfig with a sandbox.
func sandboxed(t *testing.T) Config {
	t.Helper()
	requireSandbox(t)
	cfg := testConfig(t)
	cfg.Sandbox = Sandbox{Mode: SandboxRequire, Hide: []string{filepath.Dir(cfg.Folders.Path())}}
	return cfg
}

// attackMain tries each of its arguments and prints what came of it: `done` or `refused`.
func attackMain(attempts []string) int {
	for _, a := range attempts {
		how, what, _ := strings.Cut(a, " ")
		came := "done"
		if err := attack(how, what); err != nil {
			came = "refused"
			fmt.Fprintln(os.Stderr, a, err)
		}
		fmt.Println(how, came) //nolint:forbidigo // standard output is what the test reads
	}
	return 0
}

func attack(how, what string) error {
	switch name, _, _ := strings.Cut(how, "-"); name {
	case "read":
		_, err := os.ReadFile(what)
		return err
	case "list":
		list, err := os.ReadDir(what)
		if err == nil && len(list) == 0 {
			err = errors.New("nothing is there")
		}
		return err
	case "write":
		f, err := os.OpenFile(what, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err == nil {
			err = f.Close()
		}
		return err
	case "dial":
		network, address, _ := strings.Cut(what, ":")
		c, err := net.DialTimeout(network, address, 5*time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	case "signal":
		pid, err := strconv.Atoi(what)
		if err != nil {
			return err
		}
		return unix.Kill(pid, 0)
	case "environ":
		return environmentsWith(what)
	case "namespace":
		return exec.Command("/usr/bin/unshare", "-U", "true").Run()
	case "first": // what the first process of the sandbox has open
		_, err := os.Readlink("/proc/1/fd/0")
		return err
	case "hostname":
		name, err := os.Hostname()
		if err == nil && name != what {
			err = errors.New("another name")
		}
		return err
	}
	return errors.New("no such attack")
}

// environmentsWith looks for a text in the environments of all processes.
func environmentsWith(text string) error {
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		if b, _ := os.ReadFile(path); strings.Contains(string(b), text) {
			return nil
		}
	}
	return errors.Join(err, errors.New("none has it"))
}

// victim is a server's folder with what others may want of it, and listeners.
type victim struct {
	cfg      Config
	attempts []string
	secret   string // in the environment of a process of the server's user
}

func newVictim(t *testing.T) victim {
	t.Helper()
	cfg := sandboxed(t)
	data := filepath.Dir(cfg.Folders.Path())
	outside := t.TempDir()
	files := map[string]string{
		"read-database":  filepath.Join(data, "jobs.db"),
		"read-workspace": filepath.Join(data, "workspace/bob/secret"),
		"read-results":   filepath.Join(data, "jobs/0/2/attempts/1/output/result"),
		"read-ticket":    filepath.Join(data, "jobs/0/1/attempts/1/launch.json"),
		"read-tmp":       filepath.Join(outside, "of the host"),
	}
	for _, path := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("secret"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	service := filepath.Join(data, "services/Attack")
	if err := errors.Join(os.MkdirAll(service, 0o700), os.WriteFile(filepath.Join(service, "run"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	secret := "STINT_SECRET=" + newToken()
	server := exec.Command("/bin/cat") // stands for the server: its user, its environment
	server.Env = []string{secret}
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = server.Wait() })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	v := victim{cfg: cfg, secret: secret}
	for how, path := range files {
		v.attempts = append(v.attempts, how+" "+path)
	}
	v.attempts = append(v.attempts,
		"list-home "+home, "list-jobs "+cfg.Folders.Path()+"/0/2", "list-run /run", "read-shadow /etc/passwd-",
		"write-usr /usr/local/stint-test-attack", "write-service "+service+"/run", "write-root /stint-test-attack", "write-input "+data+"/jobs/0/1/params.json",
		"write-exit "+data+"/jobs/0/1/attempts/1/exit.json", "write-device /dev/stint-test-attack",
		"dial-tcp tcp:"+listen(t, "tcp", "127.0.0.1:0"), "dial-abstract unix:"+listen(t, "unix", "@stint-test-"+newToken()),
		"dial-socket unix:"+listen(t, "unix", filepath.Join(outside, "admin.sock")),
		"signal-server "+strconv.Itoa(server.Process.Pid), "environ-all "+secret, "namespace-user", "hostname-host "+host,
	)
	slices.Sort(v.attempts)
	return v
}

// listen takes connections until the test ends.
func listen(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return l.Addr().String()
}

// attacked runs the attacks as a job and answers what came of each.
func (v victim) attacked(t *testing.T, network bool, more ...string) map[string]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t, v.cfg, "")
	j.task.Command.Argv = append(append([]string{self, "attack"}, v.attempts...), more...)
	j.task.Command.Reads = []string{self, filepath.Join(filepath.Dir(v.cfg.Folders.Path()), "services/Attack")}
	j.task.Command.Network = network
	if err := v.cfg.Folders.Job(1).WriteParams([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(j.start()); x.Code != 0 {
		t.Fatalf("ended with %+v: %s", x, j.stdout())
	}
	came := make(map[string]string)
	for line := range strings.Lines(j.stdout()) {
		how, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		came[how] = what
	}
	return came
}

// The same attacks as a plain process show that each of them works where nothing refuses it.
func TestSandboxRefusesAttacks(t *testing.T) {
	for _, tt := range []struct {
		name    string
		network bool
		change  func(*Config)
		done    func(attack string) bool
	}{
		{name: "sandbox", done: func(string) bool { return false }},
		{name: "network", network: true, done: func(a string) bool { return a == "dial-tcp" || a == "dial-abstract" }},
		{
			// Also when an operator shows a folder in which the server's is.
			name: "bind", change: func(c *Config) { c.Sandbox.Reads = []string{filepath.Dir(filepath.Dir(c.Folders.Path()))} },
			done: func(a string) bool { return a == "read-tmp" || a == "dial-socket" }, // which are beside it
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVictim(t)
			if tt.change != nil {
				tt.change(&v.cfg)
			}
			want := make(map[string]string)
			for _, a := range v.attempts {
				how, _, _ := strings.Cut(a, " ")
				want[how] = "refused"
				if tt.done(how) {
					want[how] = "done"
				}
			}
			want["first-process"] = "refused"
			if diff := cmp.Diff(want, v.attacked(t, tt.network, "first-process")); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("plain", func(t *testing.T) {
		v := newVictim(t)
		v.cfg.Sandbox = Sandbox{}
		t.Cleanup(func() {
			os.Remove("/usr/local/stint-test-attack")
			os.Remove("/stint-test-attack")
			os.Remove("/dev/stint-test-attack")
		})
		for how, came := range v.attacked(t, false) {
			switch {
			case came == "done":
			case os.Geteuid() != 0 && slices.Contains([]string{"write-usr", "write-root", "write-device"}, how):
			case how == "namespace-user" || how == "read-shadow": // what there is depends on the machine
			default:
				t.Errorf("%s is refused without a sandbox, too: the test shows nothing", how)
			}
		}
	})
}

// A command knows its task's environment and the token that its processes are found by, and has three descriptors.
func TestSandboxedCommandInheritsNothing(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the server")
	t.Setenv("STINTD_ISSUE_WEBHOOK", "https://user:password@example.org")
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil { // open across exec
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	for _, mode := range []string{SandboxOff, SandboxRequire} {
		cfg := sandboxed(t)
		cfg.Sandbox.Mode = mode
		j := newJob(t, cfg, `tr '\0' '\n' </proc/$$/environ; echo; ls /proc/$$/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; umask; readlink /proc/$$/fd/0; tty -s || echo no tty`)
		j.task.Command.Env = []string{"PATH=/usr/bin:/bin", "STINT_JOB_TOKEN=of the job", "STINT_JOB_ID=1"}
		if x := j.wait(j.start()); x.Code != 0 {
			t.Errorf("ended with %+v", x)
		}
		var l shim.Launch
		if err := shim.ReadJSON(j.task.Dir, shim.LaunchFile, &l); err != nil {
			t.Fatal(err)
		}
		zero := "0000000000000000"
		want := append(slices.Clone(j.task.Command.Env), shim.MarkerVariable+"="+l.Token, "", "0", "1", "2",
			"SigBlk:\t"+zero, "SigIgn:\t"+zero, "0022", "/dev/null", "no tty", "")
		got := strings.Split(strings.ReplaceAll(j.stdout(), "SigIgn:\t0000000080000000", "SigIgn:\t"+zero), "\n") // see TestCommandInheritsNothing
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sandbox %s: %s", mode, diff)
		}
	}
}

// What bwrap would tell as exit code 139 is told apart.
func TestSandboxTellsSignalsFromCodes(t *testing.T) {
	cfg := sandboxed(t)
	for i, tt := range []struct {
		script       string
		code, signal int
	}{
		{"exit 139", 139, 0},
		{"kill -SEGV $$", -1, int(unix.SIGSEGV)},
		{"kill -KILL $$", -1, int(unix.SIGKILL)},
		{"kill -KILL -1; exit 1", 1, 0}, // all others there, of which there are none
		{"kill -KILL 1; kill -STOP 1; kill -TERM 1; exit 6", 6, 0},
		{"exit 255", 255, 0},
	} {
		j := newJob(t, cfg, tt.script)
		j.task.Dir = cfg.Folders.Job(1).Attempt(i + 2)
		if err := j.task.Dir.Create(); err != nil {
			t.Fatal(err)
		}
		if x := j.wait(j.start()); x.Reason != byItself || x.Code != tt.code || x.Signal != tt.signal {
			t.Errorf("%q ended with %+v", tt.script, x)
		}
	}
}

// The polite signal reaches the command and not what holds the sandbox.
func TestSandboxedCommandEndsInOrder(t *testing.T) {
	cfg := sandboxed(t)
	cfg.Grace = time.Hour
	j := newJob(t, cfg, `trap 'echo saved; exit 9' TERM; echo ready >born; while :; do read _ <hold; done`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	j.line(born)
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER || x.Code != 9 {
		t.Errorf("ended with %+v", x)
	}
	if got := j.stdout(); got != "saved\n" {
		t.Errorf("it wrote %q", got)
	}
}

// What is deaf to the polite signal is killed, and told to have been; what was left behind is gone.
func TestSandboxIsForced(t *testing.T) {
	cfg := sandboxed(t)
	j := newJob(t, cfg, `trap '' TERM; (setsid sh -c 'echo left >born; exec sleep 1000' &); read _ <hold`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	j.line(born)
	s, err := shim.ReadState(j.task.Dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	inside := proc.WithDescendants(all, func(p proc.Process) bool { return p.PID == s.Command })
	if len(inside) < 4 { // bwrap, the first process, the command, what it left
		t.Fatalf("the sandbox has %+v", inside)
	}
	if err := j.e.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER || x.Code != -1 || x.Signal != int(unix.SIGKILL) || x.Usage == nil {
		t.Errorf("ended with %+v", x)
	}
	for _, p := range inside {
		if !gone(p) {
			t.Errorf("%+v outlived its job", p)
		}
	}
}

// A sandbox that somebody kills from outside is the end of all that is in it, and by a signal.
func TestSandboxThatIsKilled(t *testing.T) {
	cfg := sandboxed(t)
	j := newJob(t, cfg, `echo ready >born; read _ <hold`)
	born := j.fifo("born")
	j.fifo("hold")
	h := j.start()
	j.line(born)
	s, err := shim.ReadState(j.task.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if first, err := proc.Read(s.First); err != nil || first.Parent != s.Command || first.Birth != s.FirstBirth {
		t.Errorf("the first process in it is %+v, %v; the shim says %+v", first, err, s)
	}
	if err := unix.Kill(s.Command, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if x := j.wait(h); x.Reason != byItself || x.Code != -1 || x.Signal != int(unix.SIGKILL) {
		t.Errorf("ended with %+v", x)
	}
	if err := os.Remove(filepath.Join(j.task.Dir.Path(), shim.LogFile)); err != nil {
		t.Errorf("the shim says nothing of it: %v", err)
	}
}

func TestUsageInASandbox(t *testing.T) {
	cfg := sandboxed(t)
	const mib = 1 << 20
	j := newJob(t, cfg, `head -c 100000000 /dev/zero | tail -c 90000000 | wc -c`)
	x := j.wait(j.start())
	if rss := x.Usage.GetMaxRssBytes(); x.Code != 0 || rss < 85*mib || rss > 180*mib {
		t.Errorf("it used %d MiB: %+v", rss/mib, x)
	}
	if cpu := x.Usage.GetCpuTime().AsDuration(); cpu <= 0 || cpu > x.Usage.GetElapsed().AsDuration()*8 {
		t.Errorf("it used %v of CPU in %v", cpu, x.Usage.GetElapsed().AsDuration())
	}
}

// Results are read by the server, to which a link leads where it would not lead the job.
func TestLinksOutOfASandbox(t *testing.T) {
	cfg := sandboxed(t)
	secret := filepath.Join(filepath.Dir(cfg.Folders.Path()), "jobs.db")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, cfg, `ln -s "$SECRET" link; ln -s /etc up; ln -s ../../../../.. jobs; ln -s ../launch.json ticket; echo ok >result; ln -s result same
		rm -f "$STINT_PROGRESS"; ln -s "$SECRET" "$STINT_PROGRESS"; cd ..; mv output elsewhere; ln -s /etc output; true`)
	j.task.Command.Env = append(j.task.Command.Env, "SECRET="+secret, "STINT_PROGRESS="+j.task.Dir.ProgressPath())
	if x := j.wait(j.start()); x.Code != 0 {
		t.Fatalf("ended with %+v", x)
	}
	files, more, err := j.task.Dir.ListResults(100)
	if err != nil || more || len(files) != 2 || files[0].Path != "result" || files[1].Path != "same" {
		t.Errorf("the results are %+v, %v", files, err)
	}
	for _, path := range []string{"link", "up/passwd", "jobs/0/1/params.json", "ticket"} {
		if f, _, err := j.task.Dir.OpenResult(path); err == nil {
			f.Close()
			t.Errorf("%s can be read", path)
		}
	}
	if info, err := os.Lstat(j.task.Dir.ProgressPath()); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the file for progress is %v, %v", info, err)
	}
	if left, err := os.ReadDir(j.task.Dir.TmpPath()); err != nil || len(left) > 0 {
		t.Errorf("tmp/ holds %v, %v", left, err)
	}
}

func TestSandboxThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	script := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "bwrap"), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	cfg := testConfig(t)
	for _, tt := range []struct{ name, script, want string }{
		{name: "none", want: "the program bwrap is not installed (apt-get install bubblewrap)"},
		{"other", "echo hello", "is no bubblewrap, or one older than 0.3"},
		{"forbidden", `case $1 in --help) echo "  --as-pid-1   x";; --version) echo bubblewrap 9.9;; *) echo "bwrap: No permissions to create new namespace" >&2; exit 1;; esac`, "bwrap: No permissions to create new namespace"},
		{"lies", `case $1 in --help) echo "  --as-pid-1   x";; --version) echo bubblewrap 9.9;; *) exit 0;; esac`, "The sandbox of the job could not be made"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.script != "" {
				script(tt.script)
			}
			cfg.Sandbox.Mode = SandboxRequire
			if _, err := New(cfg); !errors.Is(err, ErrSandbox) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New() = %v, want %q", err, tt.want)
			}
			cfg.Sandbox.Mode = SandboxAuto
			said := newExecutor(t, cfg).Status().GetMessage()
			if !strings.Contains(said, "jobs run without a sandbox") || !strings.Contains(said, tt.want) {
				t.Errorf("Status() says %q, want %q", said, tt.want)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(cfg.Folders.Path(), ".sandbox*")); err != nil || len(left) > 0 {
		t.Errorf("trying left %v, %v", left, err)
	}
	cfg.Sandbox.Mode = "on"
	if _, err := New(cfg); err == nil {
		t.Error("New() took a mode that there is not")
	}
}

func TestSandboxBindsThatAreRefused(t *testing.T) {
	cfg := sandboxed(t)
	for _, path := range []string{"/", "relative", "", "/stint/no/such/folder", cfg.Folders.Path(), filepath.Dir(cfg.Folders.Path())} {
		cfg.Sandbox.Reads = []string{path}
		if _, err := New(cfg); !errors.Is(err, ErrSandboxBind) {
			t.Errorf("New() with %q = %v", path, err)
		}
	}
	cfg.Sandbox.Reads = []string{filepath.Dir(filepath.Dir(cfg.Folders.Path()))}
	if _, err := New(cfg); err != nil {
		t.Error(err)
	}
}

func TestSandboxShowsWhatAServiceReads(t *testing.T) {
	cfg := sandboxed(t)
	database := t.TempDir()
	if err := os.WriteFile(filepath.Join(database, "db"), []byte("ACGT"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, cfg, `cat "$DB"; echo x >>"$DB"`)
	j.task.Command.Env = append(j.task.Command.Env, "DB="+database+"/db")
	j.task.Command.Reads = []string{database}
	if x := j.wait(j.start()); x.Code == 0 || j.stdout() != "ACGT" {
		t.Errorf("ended with %+v and wrote %q", x, j.stdout())
	}
	a := cfg.Folders.Job(1).Attempt(2)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	j.task.Dir, j.task.Command.Reads = a, []string{"/stint/no/such/database"}
	var f *executor.Failure
	if _, err := j.e.Start(t.Context(), j.task); !errors.As(err, &f) || !strings.Contains(f.Message, "/stint/no/such/database") {
		t.Errorf("Start() = %v", err)
	}
}

// onceMain runs a script as job 1 of a folder in a sandbox, and says how it ended.
func onceMain(args []string) int {
	root, err := workdir.Open(args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a := root.Job(1).Attempt(1)
	e, err := New(Config{Folders: root, Sandbox: Sandbox{Mode: SandboxRequire}})
	if err == nil {
		err = a.Create()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	t := executor.Task{Job: &jobsv1.Job{Id: "1"}, Attempt: 1, Dir: a, Command: executor.Command{Argv: []string{"/bin/bash", "-c", args[1]}, Env: []string{"PATH=/usr/bin:/bin"}}}
	h, err := e.Start(context.Background(), t)
	if err == nil {
		var x executor.Exit
		if x, err = e.Wait(context.Background(), h, func(executor.Observation) {}); err == nil {
			err = a.ReadLog(context.Background(), workdir.Stdout, workdir.LogOptions{}, func(c workdir.LogChunk) error {
				_, err := os.Stdout.Write(c.Data)
				return err
			})
			fmt.Println("code", x.Code) //nolint:forbidigo // standard output is what the test reads
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Whoever forks without end hits a limit of the job's own, to which the user's other processes do
// not count. The kernel has no such limit for root, so the server is another user here.
func TestSandboxLimitsProcesses(t *testing.T) {
	requireSandbox(t)
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	const nobody = 65534
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	for range 25 {
		other := exec.CommandContext(t.Context(), "/bin/cat")
		other.SysProcAttr = as
		in, err := other.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); _ = other.Wait() })
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "/proc/self/exe", "once", filepath.Join(dir, "jobs"), `id -u; ulimit -u
		fork() { prlimit --nproc=20 sh -c "for i in $(seq -s ' ' $1); do sleep 100 & done; echo $1 forked"; }
		fork 5; fork 100; exit 0`)
	c.Stderr = t.Output()
	c.SysProcAttr = as
	said, err := c.Output()
	if want := "65534\n4096\n5 forked\ncode 0\n"; err != nil || string(said) != want {
		t.Errorf("it said %q, want %q: %v", said, want, err)
	}
}
