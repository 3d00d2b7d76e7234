package cli

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// TestScripts runs scenarios that hold on any server with the shipped
// services. STINT_SCRIPT_SERVER=HOST:PORT runs them on a real one instead of
// the fake.
func TestScripts(t *testing.T) {
	testscript.Run(t, scriptParams("testdata/script", os.Getenv("STINT_SCRIPT_SERVER")))
}

// TestScriptedScripts runs scenarios in which the server fails as the script says.
func TestScriptedScripts(t *testing.T) {
	testscript.Run(t, scriptParams("testdata/script/scripted", ""))
}

type fakeKey struct{}

func scriptParams(dir, server string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector waits a second at the end of each command
			env.Setenv("STINT_SERVER", server)
			if server != "" {
				return nil
			}
			f, err := newFake()
			if err != nil {
				return err
			}
			env.Defer(f.stop)
			env.Values[fakeKey{}] = f
			env.Setenv("STINT_SERVER", f.addr)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"fake": fakeCommand},
	}
}

// fakeCommand is what a script may do to the fake:
//
//	fake fail METHOD lost|late|refused [FRAMES]   the next call goes wrong
//	fake await METHOD N                           until it was called N times
//	fake start ID, fake print ID TEXT             what becomes of a job
//	fake end ID completed|failed|cancelled [MESSAGE]
//	fake stop, fake again                         the server goes away, and comes back
//	fake issuer                                   from now on users can sign in
//	fake device allow|deny|expire                 what becomes of the sign-in that waits
//	fake device short|lost                        tokens end at once; nothing is renewed any more
//	fake sent NAME                                the last call must have come with that token of the issuer
//	fake jobs N                                   there must be so many
func fakeCommand(ts *testscript.TestScript, neg bool, args []string) {
	f, ok := ts.Value(fakeKey{}).(*fake)
	if neg || len(args) == 0 || !ok {
		ts.Fatalf("usage: fake ...")
	}
	args = append(args, "", "", "")
	switch args[0] {
	case "fail":
		kinds := map[string]fault{
			"lost": {err: errLost}, "late": {err: errLost, late: true},
			"refused": {err: refuse(codes.FailedPrecondition, "CONFLICT", "Not in this state.")},
		}
		next := kinds[args[2]]
		next.frames, _ = strconv.Atoi(args[3])
		f.fail(args[1], next)
	case "await":
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		f.awaitCalls(args[1], n)
	case "start":
		f.start(args[1])
	case "print":
		f.print(args[1], args[2]+"\n")
	case "end":
		state := jobsv1.State(jobsv1.State_value["STATE_"+strings.ToUpper(args[2])])
		f.end(args[1], state, 0, args[3])
	case "stop":
		f.stop()
	case "again":
		ts.Check(f.listen(f.addr))
	case "issuer":
		f.startIssuer()
	case "device":
		f.issuer.decide(args[1])
	case "sent":
		if got := f.lastToken(); got != "Bearer "+f.issuer.token(args[1]) {
			ts.Fatalf("the last call came with %q, want that of %s", got, args[1])
		}
	case "jobs":
		f.mu.Lock()
		got := strconv.Itoa(len(f.jobs))
		f.mu.Unlock()
		if got != args[1] {
			ts.Fatalf("there are %s jobs", got)
		}
	default:
		ts.Fatalf("fake does not know %q", args[0])
	}
}
