package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// shells are the POSIX shells of this machine: what is sh on a node is not ours to choose.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	seen := make(map[string]bool) // /bin/sh is one of the others
	for name, argv := range map[string][]string{
		"sh": {"/bin/sh"}, "dash": {"dash"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"},
	} {
		path, err := exec.LookPath(argv[0])
		if err != nil {
			continue
		}
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		if !seen[target] {
			seen[target] = true
			found[name] = append([]string{path}, argv[1:]...)
		}
	}
	if len(found) == 0 {
		t.Fatal("no shell")
	}
	return found
}

// newAttempt is an attempt in a folder of its own.
func newAttempt(tb testing.TB) workdir.Attempt {
	tb.Helper()
	root, err := workdir.Open(filepath.Join(tb.TempDir(), "jobs with 'quotes' and 50% more"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { root.Close() })
	a := root.Job(17).Attempt(1)
	if err := errors.Join(root.Job(17).Create(), a.Create()); err != nil {
		tb.Fatal(err)
	}
	return a
}

var testTraits = Traits{Title: "Test", IDVariable: "TEST_JOB_ID", NodeVariable: "TEST_NODE"}

var testToken = token{install: "test", job: 17, attempt: 1}

// runScript runs an attempt's script as Slurm does on a node, with the Slurm job's id.
func runScript(tb testing.TB, shell []string, a workdir.Attempt, id string) *exec.Cmd {
	tb.Helper()
	log, err := os.OpenFile(filepath.Join(a.Path(), logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { log.Close() })
	path := filepath.Join(a.Path(), scriptName)
	cmd := exec.Command(shell[0], append(slices.Clone(shell[1:]), path)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TEST_JOB_ID=" + id, "TEST_NODE=n1", "SECRET=of the service"}
	cmd.Dir = a.Path()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func ready(tb testing.TB, a workdir.Attempt, c executor.Command) {
	tb.Helper()
	if err := (&Cluster{traits: testTraits}).writeCommand(a, testToken, c); err != nil {
		tb.Fatal(err)
	}
}

func command(argv ...string) executor.Command {
	return executor.Command{Argv: argv, Env: []string{"PATH=/usr/bin:/bin"}, Resources: &jobsv1.Resources{Cpus: 1}}
}

// exitOf runs cmd and answers its exit code.
func exitOf(tb testing.TB, cmd *exec.Cmd) int {
	tb.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestScriptRunsTheCommandAndRecordsItsEnd(t *testing.T) {
	for name, shell := range shells(t) {
		for _, tc := range []struct {
			what         string
			command      string
			exit         int
			code, signal int
		}{
			{"success", "echo out; echo err >&2; pwd >where; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", 0, 0, 0},
			{"failure", "echo out; echo err >&2; pwd >where; exit 37", 37, 37, 0},
			{"the highest code", "echo out; echo err >&2; pwd >where; exit 255", 255, 255, 0},
			{"signal", "echo out; echo err >&2; pwd >where; kill -SEGV $$", 139, -1, 11},
			{"kill", "echo out; echo err >&2; pwd >where; kill -KILL $$", 137, -1, 9},
		} {
			t.Run(name+"/"+tc.what, func(t *testing.T) {
				a := newAttempt(t)
				ready(t, a, command("/bin/sh", "-c", tc.command))
				if got := exitOf(t, runScript(t, shell, a, "123")); got != tc.exit {
					t.Errorf("the script's exit code = %d, want %d", got, tc.exit)
				}
				f := look(a, nil)
				if f.record == nil || f.owner != "123" || !f.locked || f.again {
					t.Fatalf("the folder tells %+v", f)
				}
				r := f.record
				if r.Code != tc.code || r.Signal != tc.signal || r.Terminated || r.Node != "n1" || r.EngineID != "123" || r.Reason != "" {
					t.Errorf("record = %+v", r)
				}
				if r.Start.IsZero() || r.End.Before(r.Start) || r.Usage == nil || r.Usage.MaxRSSBytes < 4096 {
					t.Errorf("record = %+v with usage %+v", r, r.Usage)
				}
				if tc.what == "success" && r.Usage.CPUSeconds <= 0 {
					t.Errorf("usage = %+v of a command that computed", r.Usage)
				}
				if r, ok, err := a.ReadExit(); !ok || err != nil || r.Ended { // a script cannot know what lives on
					t.Errorf("the record is no exit record of a job's folder: %+v, %v, %v", r, ok, err)
				}
				for file, want := range map[string]string{"stdout": "out\n", "stderr": "err\n", "output/where": a.OutputPath() + "\n"} {
					if got, err := os.ReadFile(filepath.Join(a.Path(), file)); err != nil || string(got) != want {
						t.Errorf("%s = %q, %v; want %q", file, got, err, want)
					}
				}
				if log, _ := os.ReadFile(filepath.Join(a.Path(), logName)); len(log) != 0 && tc.signal == 0 {
					t.Errorf("the script said %q", log)
				}
			})
		}
	}
}

// A word reaches the command as it is, whatever it consists of.
func TestScriptPassesEveryWord(t *testing.T) {
	word := rapid.OneOf(
		rapid.StringOf(rapid.SampledFrom([]rune("'\"\\$`!#&;|<>()[]{}*?~%= \t\n-a\u00e9"))),
		rapid.Map(rapid.SliceOf(rapid.ByteRange(1, 255)), func(b []byte) string { return string(b) }),
	)
	words := rapid.SliceOfN(word, 0, 60) // many at a time: starting a shell is what takes long
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			for seed := range 12 {
				a := newAttempt(t)
				args, values := words.Example(2*seed), words.Example(2*seed+1)
				c := command(append([]string{"/bin/sh", "-c", `printf '%s\0' "$@"; cat /proc/self/environ >env`, "sh"}, args...)...)
				for i, v := range values {
					c.Env = append(c.Env, fmt.Sprintf("STINT_PARAM_p%d=%s", i, v))
				}
				if err := checkWords(c.Argv, c.Env); err != nil {
					t.Fatal(err)
				}
				ready(t, a, c)
				if code := exitOf(t, runScript(t, shell, a, "1")); code != 0 {
					log, _ := os.ReadFile(filepath.Join(a.Path(), logName))
					t.Fatalf("exit code %d: %s", code, log)
				}
				want := strings.Join(args, "\x00") + "\x00" // printf takes no argument for an empty one
				if got, _ := os.ReadFile(filepath.Join(a.Path(), "stdout")); string(got) != want {
					t.Errorf("the command got %q, want %q", got, want)
				}
				env, _ := os.ReadFile(filepath.Join(a.OutputPath(), "env"))
				got := strings.Split(strings.TrimSuffix(string(env), "\x00"), "\x00")
				// The command here is a shell, which adds its own variables before it starts cat.
				got = slices.DeleteFunc(got, func(v string) bool {
					return strings.HasPrefix(v, "PWD=") || strings.HasPrefix(v, "OLDPWD=") || strings.HasPrefix(v, "SHLVL=") || strings.HasPrefix(v, "_=")
				})
				slices.Sort(got)
				wantEnv := slices.Sorted(slices.Values(c.Env))
				if diff := cmp.Diff(wantEnv, got); diff != "" {
					t.Errorf("the command's environment (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestScriptRunsTheCommandOnce(t *testing.T) {
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			a := newAttempt(t)
			ready(t, a, command("/bin/sh", "-c", "echo ran >>runs; exit 4"))
			var cmds []*exec.Cmd
			for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
				cmd := runScript(t, shell, a, id)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				cmds = append(cmds, cmd)
			}
			winner := 0
			for i, cmd := range cmds {
				_ = cmd.Wait()
				switch cmd.ProcessState.ExitCode() {
				case 4:
					winner = i + 1
				case 0:
				default:
					t.Errorf("run %d ended with %v", i+1, cmd.ProcessState)
				}
			}
			if got, _ := os.ReadFile(filepath.Join(a.OutputPath(), "runs")); string(got) != "ran\n" {
				t.Errorf("the command left %q, want one run", got)
			}
			f := look(a, nil)
			if f.owner != string(rune('0'+winner)) || f.record == nil || f.record.Code != 4 || f.again {
				t.Errorf("run %d had the lock, and the folder tells %+v", winner, f)
			}
			// Slurm runs the same job once more.
			if code := exitOf(t, runScript(t, shell, a, f.owner)); code != 0 || !look(a, nil).again {
				t.Errorf("the second run of job %s: exit code %d, %+v", f.owner, code, look(a, nil))
			}
			if got, _ := os.ReadFile(filepath.Join(a.OutputPath(), "runs")); string(got) != "ran\n" {
				t.Errorf("the command left %q, want one run", got)
			}
			left, _ := filepath.Glob(filepath.Join(a.Path(), ".exit*"))
			if len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// A connection that breaks can end the script anywhere.
func TestScriptThatIsCutShortDoesNothing(t *testing.T) {
	whole := script("/nowhere", testToken, testTraits)
	for name, shell := range shells(t) {
		for at := 0; at < len(whole)-2; at += len(whole)/25 + 1 {
			a := newAttempt(t)
			ready(t, a, command("/bin/sh", "-c", "echo ran >>runs"))
			text := script(a.Path(), testToken, testTraits)
			if err := a.WriteFile(scriptName, []byte(text[:len(text)-2-at])); err != nil {
				t.Fatal(err)
			}
			exitOf(t, runScript(t, shell, a, "1"))
			if f := look(a, nil); f.locked || f.record != nil {
				t.Errorf("%s: without its last %d bytes it did %+v", name, at+2, f)
			}
		}
	}
}

func TestScriptRunsNothingBehindAFence(t *testing.T) {
	a := newAttempt(t)
	ready(t, a, command("/bin/sh", "-c", "echo ran >>runs"))
	if won, err := fence(a); !won || err != nil {
		t.Fatalf("fence() = %v, %v", won, err)
	}
	if code := exitOf(t, runScript(t, []string{"/bin/sh"}, a, "1")); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(filepath.Join(a.OutputPath(), "runs")); err == nil {
		t.Error("the command ran")
	}
	if f := look(a, nil); !f.fenced || f.locked {
		t.Errorf("the folder tells %+v", f)
	}
	if won, err := fence(a); !won || err != nil {
		t.Errorf("fence() again = %v, %v", won, err)
	}
	b := newAttempt(t)
	ready(t, b, command("/bin/true"))
	exitOf(t, runScript(t, []string{"/bin/sh"}, b, "1"))
	if won, err := fence(b); won || err != nil {
		t.Errorf("fence() after a run = %v, %v", won, err)
	}
}

// Slurm sends SIGTERM to all processes of a job, the script included.
func TestScriptOutlivesTheCommandOnTerm(t *testing.T) {
	for name, shell := range shells(t) {
		for _, tc := range []struct {
			what, command string
			code, signal  int
		}{
			{"killed by it", "echo ready; read _ <hold", -1, 15},
			{"handled", "trap 'echo cleaned >cleaned; exit 7' TERM; echo ready; while :; do read _ <hold; done", 7, 0},
		} {
			t.Run(name+"/"+tc.what, func(t *testing.T) {
				a := newAttempt(t)
				if err := syscall.Mkfifo(filepath.Join(a.OutputPath(), "hold"), 0o600); err != nil {
					t.Fatal(err)
				}
				ready(t, a, command("/bin/sh", "-c", tc.command))
				cmd := runScript(t, shell, a, "9")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				untilLogged(t, a, "ready")
				if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				r := look(a, nil).record
				if r == nil {
					log, _ := os.ReadFile(filepath.Join(a.Path(), logName))
					t.Fatalf("no record; the script ended with %v and said %q", cmd.ProcessState, log)
				}
				if r.Code != tc.code || r.Signal != tc.signal || !r.Terminated {
					t.Errorf("record = %+v", r)
				}
			})
		}
	}
}

// untilLogged waits until the command has printed a line.
func untilLogged(t *testing.T, a workdir.Attempt, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen := errors.New("seen")
	err := a.ReadLog(ctx, workdir.Stdout, workdir.LogOptions{Done: make(chan struct{})}, func(c workdir.LogChunk) error {
		if strings.Contains(string(c.Data), line) {
			return seen
		}
		return nil
	})
	if !errors.Is(err, seen) {
		t.Fatalf("waiting for the command to print %q: %v", line, err)
	}
}

func TestScriptSaysWhyItCannotBegin(t *testing.T) {
	t.Run("missing program", func(t *testing.T) {
		a := newAttempt(t)
		ready(t, a, command("/stint/no/such/program"))
		exitOf(t, runScript(t, []string{"/bin/sh"}, a, "1"))
		if r := look(a, nil).record; r == nil || r.Reason != "LAUNCH_FAILED" || r.Code != -1 {
			t.Errorf("record = %+v", r)
		}
	})
	t.Run("missing command", func(t *testing.T) {
		a := newAttempt(t)
		ready(t, a, command("/bin/true"))
		if err := a.RemoveFile(commandName); err != nil {
			t.Fatal(err)
		}
		code := exitOf(t, runScript(t, []string{"/bin/sh"}, a, "1"))
		if f := look(a, nil); code == 0 || f.locked || !strings.Contains(f.note, "node n1 cannot read the command") {
			t.Errorf("exit code %d, folder %+v", code, f)
		}
	})
	t.Run("missing folder", func(t *testing.T) {
		a := newAttempt(t)
		cmd := exec.Command("/bin/sh")
		cmd.Stdin = strings.NewReader(script(a.Path()+"/elsewhere", testToken, testTraits))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "stint: the node ? cannot enter the folder") {
			t.Errorf("said %q, %v", out, err)
		}
	})
}

// listener is a server that notes what it is told.
func listener(t *testing.T) (url string, told <-chan string) {
	t.Helper()
	hints := make(chan string, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		hints <- strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}, " ")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, hints
}

// telling is a command that may tell of itself at url.
func telling(url string, argv ...string) executor.Command {
	c := command(argv...)
	c.Env = append(c.Env, executor.ReportVariable+"="+url, executor.TokenVariable+"=stintjob_abc")
	return c
}

func TestScriptTellsTheServer(t *testing.T) {
	for _, client := range []string{"curl", "wget"} {
		for name, shell := range shells(t) {
			t.Run(client+"/"+name, func(t *testing.T) {
				path, err := exec.LookPath(client)
				if err != nil {
					t.Skipf("%s is not here: %v", client, err)
				}
				url, told := listener(t)
				a := newAttempt(t)
				// The command ends only when the start was told, for what the script tells is not waited for.
				ready(t, a, telling(url+"/v1/jobs/17:report?a=b&c='", "/bin/sh", "-c", "read _ <go"))
				if err := syscall.Mkfifo(filepath.Join(a.OutputPath(), "go"), 0o600); err != nil {
					t.Fatal(err)
				}
				onlyClient(t, a, path)
				cmd := runScript(t, shell, a, "1")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				want := "POST /v1/jobs/17:report?a=b&c=%s Bearer stintjob_abc application/json {\"event\":\"JOB_EVENT_%s\"}"
				for _, event := range []string{"STARTED", "ENDED"} {
					if got := strings.ReplaceAll(next(t, told), "%27", "'"); got != fmt.Sprintf(want, "'", event) {
						t.Errorf("the server was told %q", got)
					}
					if event == "STARTED" {
						must(t, os.WriteFile(filepath.Join(a.OutputPath(), "go"), []byte("\n"), 0o600))
					}
				}
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
				if log, _ := os.ReadFile(filepath.Join(a.Path(), logName)); len(log) != 0 {
					t.Errorf("the script said %q", log)
				}
			})
		}
	}
}

// next is what the server is told next.
func next(t *testing.T, told <-chan string) string {
	t.Helper()
	select {
	case s := <-told:
		return s
	case <-time.After(time.Minute):
		t.Fatal("the server was told nothing")
		return ""
	}
}

// onlyClient makes the script see one of the programs that can tell, and none of the others.
func onlyClient(t *testing.T, a workdir.Attempt, client string) {
	t.Helper()
	onlyProgram(t, a, client)
}

// onlyProgram makes the script see that program beside the utilities that it needs, and no other. Empty is none.
func onlyProgram(t *testing.T, a workdir.Attempt, client string) {
	t.Helper()
	bin := t.TempDir()
	for _, program := range []string{"date", "dd", "env", "mkdir", "mv", "rm"} {
		path, err := exec.LookPath(program)
		must(t, err)
		must(t, os.Symlink(path, filepath.Join(bin, program)))
	}
	if client != "" {
		must(t, os.Symlink(client, filepath.Join(bin, filepath.Base(client))))
	}
	text, err := a.ReadFile(scriptName)
	must(t, err)
	must(t, a.WriteFile(scriptName, []byte(strings.Replace(string(text), "PATH=/usr/local/bin:/usr/bin:/bin\n", "PATH="+bin+"\n", 1))))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A server that does not answer, or cannot be reached, and a node without
// anything to tell with change nothing, and cost half a second at most.
func TestScriptDoesNotWaitForTheServer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and that is all
	must(t, err)
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	curl, _ := exec.LookPath("curl")
	for _, tc := range []struct{ what, address, client string }{
		{"silent", silent.Addr().String(), curl}, {"closed", closed.Addr().String(), curl}, {"no client", silent.Addr().String(), ""},
	} {
		for name, shell := range shells(t) {
			t.Run(tc.what+"/"+name, func(t *testing.T) {
				a := newAttempt(t)
				ready(t, a, telling("http://"+tc.address, "/bin/true"))
				onlyClient(t, a, tc.client)
				cmd := runScript(t, shell, a, "1")
				began := time.Now()
				code := exitOf(t, cmd)
				// The clients give up after 5 s; a script that waited for them would take as long.
				if took := time.Since(began); code != 0 || look(a, nil).record == nil || took > 4*time.Second {
					t.Errorf("exit code %d after %v, folder %+v", code, took, look(a, nil))
				}
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what Slurm does to what a script leaves behind
			})
		}
	}
}

// The command gets its token, and its environment is otherwise as it was given;
// nothing that others on the node or in Slurm can see holds the token.
func TestTheTokenReachesTheCommandAlone(t *testing.T) {
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			url, _ := listener(t)
			a := newAttempt(t)
			// cat's arguments and environment are those that env, and the shell after it, made of the script's.
			c := telling(url, "/bin/cat", "/proc/self/environ")
			ready(t, a, c)
			for _, name := range []string{scriptName, commandName} {
				if text, err := a.ReadFile(name); err != nil || strings.Contains(string(text), "stintjob_") {
					t.Errorf("%s holds the token, or %v", name, err)
				}
			}
			info, err := os.Stat(filepath.Join(a.Path(), tokenName))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", tokenName, info.Mode(), err)
			}
			if code := exitOf(t, runScript(t, shell, a, "1")); code != 0 {
				t.Errorf("exit code %d", code)
			}
			out, err := os.ReadFile(filepath.Join(a.Path(), "stdout"))
			must(t, err)
			got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			got = slices.DeleteFunc(got, func(v string) bool { return v == "SHLVL=0" }) // of a bash that is /bin/sh
			slices.Sort(got)
			if diff := cmp.Diff(slices.Sorted(slices.Values(c.Env)), got); diff != "" {
				t.Errorf("the command's environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckWordsRefusesWhatCannotBePassed(t *testing.T) {
	for _, tc := range []struct {
		name      string
		argv, env []string
	}{
		{"no program", nil, nil},
		{"relative program", []string{"true"}, nil},
		{"program that env would take for a variable", []string{"/opt/a=b/true"}, nil},
		{"NUL in an argument", []string{"/bin/true", "a\x00b"}, nil},
		{"NUL in a variable", []string{"/bin/true"}, []string{"A=b\x00c"}},
		{"variable that env would take for an option", []string{"/bin/true"}, []string{"-i=x"}},
		{"variable without a value", []string{"/bin/true"}, []string{"HOME"}},
	} {
		if err := checkWords(tc.argv, tc.env); err == nil {
			t.Errorf("%s: accepted", tc.name)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	body, _, _ := strings.Cut(wrapper, "# clock sets now")
	_, body, _ = strings.Cut(body, "# milliseconds VALUE")
	for name, shell := range shells(t) {
		for in, want := range map[string]string{
			"0m0.000s": "0", "0m0.012s": "12", "1m2.345s": "62345", "0m5.30s": "5300", "2m09.080000s": "129080", "10m0s": "600000", "": "0", "x": "0", "0m0,5s": "0",
		} {
			cmd := exec.Command(shell[0], append(slices.Clone(shell[1:]), "-c", "#"+body+"\nmilliseconds "+Quote(in)+"; echo $ms")...)
			if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("%s: milliseconds %q = %q, %v; want %s", name, in, out, err, want)
			}
		}
	}
}

// What the script writes is JSON, whatever the node calls itself.
func TestRecordIsJSON(t *testing.T) {
	a := newAttempt(t)
	ready(t, a, command("/bin/true"))
	cmd := runScript(t, []string{"/bin/sh"}, a, `1"; rm`)
	cmd.Env = append(cmd.Env, `TEST_NODE=n"1\`)
	exitOf(t, cmd)
	data, err := os.ReadFile(filepath.Join(a.Path(), recordName))
	if err != nil || !json.Valid(data) {
		t.Errorf("record = %q, %v", data, err)
	}
}
