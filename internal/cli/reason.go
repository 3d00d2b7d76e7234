package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An operator who acts on somebody else's job must say why. Only the server knows whose a job is, so that it is
// asked first; who sits at a terminal is then asked for the reason.

// lacksReason reports whether a call was refused for want of a reason.
func lacksReason(s *status.Status) bool {
	if s.Code() != codes.InvalidArgument {
		return false
	}
	for _, d := range s.Details() {
		bad, _ := d.(*errdetails.BadRequest)
		for _, v := range bad.GetFieldViolations() {
			if v.GetField() == "reason" {
				return true
			}
		}
	}
	return false
}

// askReason asks for the reason to do something to these jobs. Empty means that there is nobody to ask, or no answer.
func (a *app) askReason(ctx context.Context, verb string, ids ...string) (string, error) {
	if !a.screen.asks {
		return "", nil
	}
	what := plural(int64(len(ids)), "job") + " of other users"
	if len(ids) == 1 {
		what = "job " + clean(ids[0]) + ", which is another user's"
	}
	return a.askWhy(ctx, verb+" "+what)
}

// askWhy asks the user at the terminal for a reason.
func (a *app) askWhy(ctx context.Context, what string) (string, error) {
	fmt.Fprintf(a.err, "Why %s? ", what)
	line, err := bufio.NewReader(a.stdin(ctx)).ReadString('\n')
	if ctx.Err() != nil {
		return "", err
	}
	return strings.TrimSpace(line), nil
}
