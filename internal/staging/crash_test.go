package staging

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

const (
	crashDir  = "STINT_TEST_CRASH_DIR"
	crashJobs = 12
	crashSize = 40 // files of each job
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		do := work
		if os.Getenv(crashOne) != "" {
			do = workOnce
		}
		if err := do(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openAt makes an Area below dir, as a process that starts does.
func openAt(dir string) (*Area, error) {
	live, _, err := catalog.Open(filepath.Join(dir, "services"), catalog.Options{Path: programs})
	if err != nil {
		return nil, err
	}
	files, err := workspace.Open(filepath.Join(dir, "workspace"), workspace.Options{})
	if err != nil {
		return nil, err
	}
	folders, err := workdir.Open(filepath.Join(dir, "jobs"))
	if err != nil {
		return nil, err
	}
	return New(Config{Catalog: live, Workspace: files, Folders: folders, InstallID: install, Path: programs})
}

// crashJob is one of the jobs; all of them want the same name for their results.
func crashJob(n int) *jobsv1.Job {
	return &jobsv1.Job{
		Id: strconv.Itoa(n), Owner: alice, Service: "Cat", OutputName: "run", OutputFolder: "/home",
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"dir": structpb.NewStringValue("/in")}},
	}
}

// work prepares, runs and publishes all jobs, from the first on, and says after each where its results are.
func work(dir string) error {
	a, err := openAt(dir)
	if err != nil {
		return err
	}
	for n := 1; n <= crashJobs; n++ {
		j := crashJob(n)
		task, err := a.Prepare(context.Background(), j, 1, nil)
		if err != nil {
			return err
		}
		if err := command(filepath.Join(task.Dir.Path(), "input", "dir", "in"), crashSize, task); err != nil {
			return err
		}
		folder, _, err := a.Publish(context.Background(), j, 1, nil)
		if err != nil {
			return err
		}
		fmt.Println(n, folder) //nolint:forbidigo // to the test that started this process
	}
	return nil
}

// command makes each result of an input, unless an earlier process did.
func command(in string, files int, task executor.Task) error {
	for i := range files {
		name := filepath.Join(task.Dir.OutputPath(), strconv.Itoa(i))
		if _, err := os.Stat(name); err == nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(in, strconv.Itoa(i)))
		if err != nil {
			return err
		}
		unfinished := filepath.Join(task.Dir.TmpPath(), strconv.Itoa(i))
		if err := os.WriteFile(unfinished, append(b, " by "+task.Job.GetId()...), 0o644); err != nil {
			return err
		}
		if err := os.Rename(unfinished, name); err != nil {
			return err
		}
	}
	return nil
}

func TestNothingIsLostOrDoubledWhenTheProcessIsKilled(t *testing.T) {
	dir := memoryDir(t)
	s := newCrashStation(t, dir)
	for i := range crashSize {
		s.put(t, fmt.Sprintf("/in/%d", i), fmt.Sprint("input ", i))
	}
	said := map[string]string{} // where the processes said that results are
	for round := 1; len(said) < crashJobs; round++ {
		runAndKill(t, dir, rand.IntN(4), said)
		if round == 200 {
			t.Fatalf("only %d of %d jobs got through", len(said), crashJobs)
		}
	}
	var err error
	s.Area, err = openAt(dir)
	must(t, err)
	s.checkPublished(t, said)
}

func newCrashStation(t *testing.T, dir string) *station {
	t.Helper()
	for name, text := range serviceFiles {
		file := filepath.Join(dir, "services", name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755))
	}
	a, err := openAt(dir)
	must(t, err)
	return &station{Area: a, dir: dir}
}

// runAndKill lets a process work on some jobs that were not done before and
// kills it at some moment in the next one.
func runAndKill(t *testing.T, dir string, jobs int, said map[string]string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), crashDir+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	must(t, err, c.Start())
	lines := bufio.NewScanner(out)
	for news := 0; news <= jobs && lines.Scan(); {
		id, folder, _ := strings.Cut(lines.Text(), " ")
		switch before, again := said[id]; {
		case !again:
			said[id] = folder
			news++
		case before != folder:
			t.Fatalf("job %s was at %s and is now at %s", id, before, folder)
		}
	}
	<-time.After(rand.N(4 * time.Millisecond)) // nothing is waited for: any moment will do
	_ = c.Process.Kill()
	_ = c.Wait() // it may have come to its end
}

// checkPublished checks that all results are there, each once and whole.
func (s *station) checkPublished(t *testing.T, said map[string]string) {
	t.Helper()
	found := s.list(t, "/home")
	if len(found) != crashJobs {
		t.Fatalf("there are %d results: %q", len(found), found)
	}
	for n := 1; n <= crashJobs; n++ {
		folder, _, err := s.Publish(t.Context(), crashJob(n), 1, nil)
		if err != nil || folder != said[strconv.Itoa(n)] {
			t.Fatalf("job %d was at %s and is now at %s, %v", n, said[strconv.Itoa(n)], folder, err)
		}
		if got := s.list(t, folder); len(got) != crashSize {
			t.Fatalf("%s has %d files", folder, len(got))
		}
		for i := range crashSize {
			want := fmt.Sprintf("input %d by %d", i, n)
			if got := s.read(t, fmt.Sprintf("%s/%d", folder, i)); got != want {
				t.Fatalf("%s/%d reads %q", folder, i, got)
			}
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "workspace", alice, ".stint-tmp")); err == nil && len(left) > 0 {
		t.Fatalf("%d leftovers", len(left))
	}
}

// changes are the system calls that give and take names and content. What
// happens between two of them changes nothing that matters; making folders is left out to save time.
var changes = []string{"linkat", "renameat", "unlinkat", "write"}

// TestEveryCrashState kills a process before each of its system calls that
// change the disk, one run for each, and lets the next process take over.
func TestEveryCrashState(t *testing.T) {
	strace := findStrace(t)
	states := 0
	for _, call := range changes {
		for n := 1; killedBefore(t, strace, call, n); n++ {
			states++
		}
	}
	t.Logf("%d crash states", states)
	if states < 20 {
		t.Fatal("too few to be true")
	}
}

// killedBefore lets a process be killed before its n-th system call of a name,
// and another one take over. It is false when there is no such call.
func killedBefore(t *testing.T, strace, call string, n int) bool {
	t.Helper()
	s := newCrashStation(t, memoryDir(t))
	for p, content := range map[string]string{"/home/run/mine": "x", "/in/0": "input 0", "/in/1": "input 1", "/old": "old"} {
		s.put(t, p, content)
	}
	must(t, s.cfg.Workspace.Close(), s.cfg.Folders.Close())
	c := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", os.DevNull,
		"-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n), os.Args[0])
	c.Env = append(os.Environ(), crashDir+"="+s.dir, crashOne+"=1")
	said, err := c.CombinedOutput()
	when := fmt.Sprintf("killed before %s %d", call, n)
	if err != nil && len(said) > 0 {
		t.Fatalf("%s, the process says %s", when, said)
	}
	s.takeOver(t, when)
	return err != nil
}

// memoryDir is a folder in memory where there is one: what a killed process
// leaves is the same there, and nothing waits for a disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "stint-test-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func findStrace(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", os.DevNull, "true").Run()
	}
	switch {
	case err == nil:
		return strace
	case slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "programs"):
		t.Fatalf("strace cannot be used: %v", err)
	default:
		t.Skipf("strace cannot be used: %v", err)
	}
	return ""
}

// crashOne makes the process do everything once instead of working on many jobs.
const crashOne = "STINT_TEST_CRASH_ONE"

func workOnce(dir string) error {
	runtime.LockOSThread() // system calls are counted by thread
	a, err := openAt(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, p := range []string{"/old", "/up/new"} {
		if _, err := a.cfg.Workspace.Put(ctx, alice, p, strings.NewReader("new"), workspace.PutOptions{Overwrite: p == "/old"}); err != nil {
			return err
		}
	}
	if _, err := a.cfg.Workspace.Delete(ctx, alice, "/home/run", workspace.DeleteOptions{Recursive: true}); err != nil {
		return err
	}
	if _, err := a.cfg.Workspace.Put(ctx, alice, "/home/run", strings.NewReader("taken"), workspace.PutOptions{}); err != nil {
		return err
	}
	j := crashJob(17)
	task, err := a.Prepare(ctx, j, 1, nil)
	if err != nil {
		return err
	}
	if err := command(filepath.Join(task.Dir.Path(), "input", "dir", "in"), 2, task); err != nil {
		return err
	}
	_, _, err = a.Publish(ctx, j, 1, nil)
	return err
}

// takeOver checks what a process left and finishes what it had begun.
func (s *station) takeOver(t *testing.T, when string) {
	t.Helper()
	var err error
	s.Area, err = openAt(s.dir)
	must(t, err)
	defer func() { must(t, s.cfg.Workspace.Close(), s.cfg.Folders.Close()) }()
	if old := s.read(t, "/old"); old != "old" && old != "new" {
		t.Fatalf("%s: the replaced file reads %q", when, old)
	}
	up, err := s.cfg.Workspace.Open(t.Context(), alice, "/up/new")
	if err == nil {
		must(t, up.Close())
		if got := s.read(t, "/up/new"); got != "new" {
			t.Fatalf("%s: the new file reads %q", when, got)
		}
	}
	j := crashJob(17)
	if slices.Contains(s.list(t, "/home"), "/home/run-17") {
		s.checkResult(t, when, "/home/run-17")
	}
	task, err := s.Prepare(t.Context(), j, 2, nil)
	must(t, err)
	must(t, command(filepath.Join(task.Dir.Path(), "input", "dir", "in"), 2, task))
	folder, _, err := s.Publish(t.Context(), j, 2, nil)
	must(t, err)
	s.checkResult(t, when, folder)
	home := s.list(t, "/home")
	if len(home) != 2 && !(len(home) == 1 && folder == "/home/run") {
		t.Fatalf("%s: there is %q", when, home)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "workspace", alice, ".stint-tmp")); err == nil && len(left) > 0 {
		t.Fatalf("%s: %d leftovers", when, len(left))
	}
}

func (s *station) checkResult(t *testing.T, when, folder string) {
	t.Helper()
	if got := s.list(t, folder); !slices.Equal(got, []string{folder + "/0", folder + "/1"}) {
		t.Fatalf("%s: %s has %q", when, folder, got)
	}
	for i := range 2 {
		if got, want := s.read(t, fmt.Sprintf("%s/%d", folder, i)), fmt.Sprintf("input %d by 17", i); got != want {
			t.Fatalf("%s: %s/%d reads %q", when, folder, i, got)
		}
	}
}
