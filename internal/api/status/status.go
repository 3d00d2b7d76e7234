// Package status gives every error its code, its stable reason and its words for
// clients, from one table.
package status

import (
	"context"
	"errors"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stint-jobs/stint/internal/job"
)

// Domain is the domain of every ErrorInfo that Stint sends.
const Domain = "stint"

type messageError string

func (e messageError) Error() string { return string(e) }

// ErrUnreadable is a message that cannot be read, and reaches no handler.
const ErrUnreadable = messageError("a message cannot be read")

// ErrMessageTooLarge is a message that becomes more than its call needs, and reaches no handler.
const ErrMessageTooLarge = messageError("a message is too large")

// ErrTooMuchAtOnce is a message for which there is no room beside all that are being handled.
const ErrTooMuchAtOnce = messageError("too many large messages at once")

// kinds maps each sentinel to its code and its stable reason. It is the only
// place that knows gRPC codes; the first match counts, so special ones come first.
var kinds = []struct {
	sentinel error
	code     codes.Code
	reason   string
	message  string
}{
	{job.ErrRequestIDReused, codes.AlreadyExists, "REQUEST_ID_REUSED", "This request_id was used before for another request; use a new one."},
	{job.ErrNotFound, codes.NotFound, "NOT_FOUND", "There is no such thing, or it is not yours."},
	{job.ErrAlreadyExists, codes.AlreadyExists, "ALREADY_EXISTS", "Something of that name exists."},
	{job.ErrClosed, codes.Unavailable, "SUBMISSIONS_CLOSED", "The operators have closed submissions for now."},
	{job.ErrExhausted, codes.ResourceExhausted, "LIMIT_REACHED", "A limit is reached."},
	{job.ErrOverloaded, codes.ResourceExhausted, "OVERLOADED", "The server has more to do than it can take; try again in a moment."},
	{job.ErrTooFast, codes.ResourceExhausted, "RATE_LIMITED", "Too many requests; send fewer a second."},
	{job.ErrTooManyOpen, codes.ResourceExhausted, "TOO_MANY_STREAMS", "Too many streams are open; close some."},
	{job.ErrTooManyFailures, codes.ResourceExhausted, "TOO_MANY_SIGN_INS", "Too many attempts to sign in have failed; wait a moment."},
	{job.ErrNoSpace, codes.ResourceExhausted, "NO_SPACE", "The server's disk is nearly full."},
	{job.ErrDenied, codes.PermissionDenied, "PERMISSION_DENIED", "This needs a role that you do not have."},
	{job.ErrUserDisabled, codes.PermissionDenied, "USER_DISABLED", "The operators have disabled this user."},
	{job.ErrUserUnknown, codes.FailedPrecondition, "USER_UNKNOWN", "Nobody of that name was ever seen here."},
	{job.ErrOffset, codes.Aborted, "UPLOAD_OFFSET", "The upload goes on at another byte."},
	{job.ErrConflict, codes.FailedPrecondition, "CONFLICT", "This is not possible in the present state."},
	{job.ErrUnknown, codes.Unavailable, "STORAGE_UNKNOWN", "The server's disk failed while it stored this, and it is not known whether it is stored. Send it again with the same request id: it will not be done twice."},
	{job.ErrTooLarge, codes.InvalidArgument, "TOO_LARGE", "The request is larger than what can be stored at once."},
	{job.ErrStorage, codes.Unavailable, "STORAGE_FAILED", "The server cannot save at the moment; its operators have been told by its health."},
	{ErrUnreadable, codes.InvalidArgument, "MALFORMED_MESSAGE", "The message cannot be read: it is none of this contract, or a text in it is not valid UTF-8."},
	{ErrMessageTooLarge, codes.ResourceExhausted, "MESSAGE_TOO_LARGE", "The message is larger than this call takes, or has more elements; files go by uploads, and many jobs by several calls."},
	{ErrTooMuchAtOnce, codes.ResourceExhausted, "OVERLOADED", "The server handles as many large requests as it can; try again in a moment."},
	{job.ErrUnavailable, codes.Unavailable, "UNAVAILABLE", "This is not available at the moment."},
	{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "The call took longer than its deadline."},
	{context.Canceled, codes.Canceled, "CANCELLED", "The caller went away."},
}

// Of returns the form of err in which clients see it. Only typed errors and
// sentinels of package job say anything; the rest is INTERNAL without a word of what went on inside.
func Of(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s // already in its final form, or nil
	}
	if invalid, ok := errors.AsType[*job.InvalidError](err); ok {
		return invalidStatus(invalid)
	}
	for _, k := range kinds {
		if !errors.Is(err, k.sentinel) {
			continue
		}
		info := &errdetails.ErrorInfo{Reason: k.reason, Domain: Domain}
		var user *job.UserError
		if !errors.As(err, &user) {
			return detailed(k.code, k.message, info)
		}
		info.Metadata = user.Metadata
		details := []protoadapt.MessageV1{info}
		if user.RetryAfter > 0 {
			details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(user.RetryAfter)})
		}
		if user.Reached != nil {
			details = append(details, quotaFailure(user))
			info.Metadata = map[string]string{"field": user.Reached.Field}
		}
		return detailed(k.code, sentence(user.Message), details...)
	}
	return detailed(codes.Internal, "Something went wrong inside the server; its log says what.",
		&errdetails.ErrorInfo{Reason: "INTERNAL", Domain: Domain})
}

// quotaFailure says which limit is reached, and of whom.
func quotaFailure(e *job.UserError) *errdetails.QuotaFailure {
	return &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{
		Subject: e.Reached.Subject, Description: sentence(e.Message), QuotaId: string(e.Reached.Quota), QuotaValue: e.Reached.Limit,
	}}}
}

// sentence begins words for users as a sentence does; some are made to stand behind a colon.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func invalidStatus(e *job.InvalidError) *status.Status {
	bad := &errdetails.BadRequest{}
	for _, v := range e.Violations {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
	}
	message := "The request is invalid."
	if len(e.Violations) > 0 {
		message = e.Violations[0].Field + " " + e.Violations[0].Description + "."
		if n := len(e.Violations) - 1; n > 0 {
			message += " And more: see the field violations."
		}
	}
	return detailed(codes.InvalidArgument, message, &errdetails.ErrorInfo{Reason: "INVALID_ARGUMENT", Domain: Domain}, bad)
}

func detailed(code codes.Code, message string, details ...protoadapt.MessageV1) *status.Status {
	s := status.New(code, message)
	with, err := s.WithDetails(details...)
	if err != nil { // cannot be: the details are well-known messages
		return s
	}
	return with
}
