package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Exit codes. exitHelp documents them; both are part of the interface.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCancelled   = 3
	exitUnreachable = 4
	exitSignal      = 128 // plus the number of the signal: 130 for Ctrl-C
)

const exitHelp = `Exit codes:
  0    done; with "submit --wait" and "watch": the jobs completed
  1    any other error; with "submit --wait" and "watch": a job failed
  2    wrong usage, or the server found the request invalid
  3    with "submit --wait" and "watch": a job was cancelled and none failed
  4    the server could not be reached
  130  stopped by Ctrl-C; jobs go on`

// usageError is a command line that cannot be right, whatever the server says.
type usageError struct {
	// text is the first line; details follow, one a line.
	text    string
	details []string
}

func (e *usageError) Error() string {
	return strings.Join(append([]string{e.text}, e.details...), "\n  ")
}

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// asUsage makes err a usage error unless it is one. What cobra finds wrong
// before a verb runs is always about usage.
func asUsage(err error) error {
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	return &usageError{text: err.Error()}
}

// exitError ends with a code after everything to say has been said, or with one last line.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// finish tells the error and answers the exit code.
func (a *app) finish(ctx context.Context, err error) int {
	if s := signalled(ctx); s != nil && err != nil {
		fmt.Fprintln(a.err, "stint: interrupted"+a.afterSignal)
		if n, ok := s.(syscall.Signal); ok {
			return exitSignal + int(n)
		}
		return exitFailed
	}
	var (
		exit  *exitError
		usage *usageError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.text != "" {
			fmt.Fprintln(a.err, "stint: "+cleanLines(exit.text))
		}
		return exit.code
	case errors.As(err, &usage):
		fmt.Fprintln(a.err, "stint: "+cleanLines(usage.Error()))
		return exitUsage
	}
	text, code := a.explain(err)
	fmt.Fprintln(a.err, "stint: "+cleanLines(text))
	return code
}

// explain puts an error into words with the way out, and gives its exit code.
func (a *app) explain(err error) (string, int) {
	s, ok := callStatus(err)
	if !ok {
		return err.Error(), exitFailed
	}
	if lostConnection(err) {
		return a.explainUnreachable(s), exitUnreachable
	}
	switch s.Code() {
	case codes.InvalidArgument, codes.OutOfRange:
		return explainInvalid(s), exitUsage
	case codes.Unauthenticated:
		return "the server wants to know who you are: " + s.Message() +
			"\n  Set STINT_TOKEN, or put your token into " + defaultTokenFile() + " (mode 0600).", exitFailed
	case codes.Unimplemented:
		return "the server does not offer this; it may be older than this stint (stint server shows its version)", exitFailed
	default:
		return describe(s), exitFailed
	}
}

// describe is the message of a status with the wait that its server asks for.
func describe(s *status.Status) string {
	text := strings.TrimPrefix(s.Message(), "transport: per-RPC creds failed due to error: ") // gRPC's words before ours
	if text == "" {
		text = "the server answered " + s.Code().String()
	}
	if d, ok := retryDelay(s); ok {
		text += fmt.Sprintf(" (try again in %s)", humanDuration(d))
	}
	return text
}

func explainInvalid(s *status.Status) string {
	var lines []string
	for _, d := range s.Details() {
		bad, ok := d.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			lines = append(lines, flagOfField(v.GetField())+" "+v.GetDescription())
		}
	}
	if len(lines) == 0 {
		return describe(s)
	}
	return "invalid request:\n  " + strings.Join(lines, "\n  ")
}

// fieldFlags names the flags by which fields of requests are given here.
var fieldFlags = map[string]string{
	"outputName":            "--output-name",
	"outputFolder":          "--output-folder",
	"resources.cpus":        "--cpus",
	"resources.memoryBytes": "--memory",
	"resources.timeLimit":   "--time-limit",
	"retry.memoryFactor":    "--memory-factor",
	"retry.timeFactor":      "--time-factor",
	"resources.gpus":        "--gpus",
	"resources.named":       "--resource",
	"resources.account":     "--account",
	"resources.partition":   "--partition",
	"resources.qos":         "--qos",
	"resources.constraint":  "--constraint",
	"labels":                "--label",
	"priority":              "--priority",
	"executor":              "--executor",
	"parentId":              "--parent",
	"owner":                 "--owner",
	"reason":                "--reason",
	"requestId":             "--request-id",
	"filter":                "filter",
	"orderBy":               "--sort",
}

// flagOfField turns the name of a request's field into what the user typed.
func flagOfField(field string) string {
	name := strings.TrimPrefix(field, "job.")
	if p, ok := strings.CutPrefix(name, "parameters."); ok {
		return "-p " + p
	}
	if f, ok := fieldFlags[name]; ok {
		return f
	}
	if key, ok := strings.CutPrefix(name, "labels."); ok {
		return "--label " + key
	}
	if key, ok := strings.CutPrefix(name, "resources.named."); ok {
		return "--resource " + key
	}
	return name
}

func (a *app) explainUnreachable(s *status.Status) string {
	cause, hint := s.Message(), "Is stintd running there? Name another server with --server HOST:PORT or STINT_SERVER."
	if i := strings.LastIndex(cause, "desc = "); i >= 0 {
		cause = strings.Trim(cause[i+len("desc = "):], `"`)
	}
	for _, known := range []string{"transport: ", "Error while dialing: "} {
		cause = strings.TrimPrefix(cause, known)
	}
	switch {
	case s.Code() == codes.DeadlineExceeded:
		cause = "no answer within " + humanDuration(a.link.timeout)
		hint = "Give it longer with --timeout, or " + lowerFirst(hint)
	case strings.Contains(cause, "first record does not look like a TLS"):
		hint = "It does not speak TLS. With --insecure the connection is not encrypted."
	case strings.Contains(cause, "certificate"):
		hint = "Its certificate is not trusted here. --ca-file FILE names the authority that signed it."
	case strings.Contains(cause, "frame too large"):
		hint = "Something else than a Stint server answers there."
	case strings.Contains(cause, "server preface"):
		hint = "It may want TLS: try --tls."
	}
	return fmt.Sprintf("cannot reach the server at %s: %s\n  %s", a.link.address(), cause, hint)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
