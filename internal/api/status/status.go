// Package status gives every error its code, its stable reason and its words for
// clients, from one table.
package status

import (
	"context"
	"errors"
	"strconv"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/reason"
)

type messageError string

func (e messageError) Error() string { return string(e) }

// ErrUnreadable is a message that cannot be read, and reaches no handler.
const ErrUnreadable = messageError("a message cannot be read")

// ErrMessageTooLarge is a message that becomes more than its call needs, and reaches no handler.
const ErrMessageTooLarge = messageError("a message is too large")

// ErrTooMuchAtOnce is a message for which there is no room beside all that are being handled.
const ErrTooMuchAtOnce = messageError("too many large messages at once")

// kinds maps each sentinel to its entry in the table of reasons. The first match counts, so special ones come first.
var kinds = []struct {
	sentinel error
	kind     *reason.Kind
}{
	{job.ErrRequestIDReused, reason.RequestIDReused},
	{job.ErrNotFound, reason.NotFound},
	{job.ErrAlreadyExists, reason.AlreadyExists},
	{job.ErrClosed, reason.SubmissionsClosed},
	{job.ErrExhausted, reason.LimitReached},
	{job.ErrOverloaded, reason.Overloaded},
	{job.ErrTooFast, reason.RateLimited},
	{job.ErrTooManyOpen, reason.TooManyStreams},
	{job.ErrTooManyFailures, reason.TooManySignIns},
	{job.ErrNoSpace, reason.NoSpace},
	{job.ErrDenied, reason.PermissionDenied},
	{job.ErrUserDisabled, reason.UserDisabled},
	{job.ErrUserUnknown, reason.UserUnknown},
	{job.ErrOffset, reason.UploadOffset},
	{job.ErrConflict, reason.Conflict},
	{job.ErrUnknown, reason.StorageUnknown},
	{job.ErrTooLarge, reason.TooLarge},
	{job.ErrStorage, reason.StorageFailed},
	{ErrUnreadable, reason.MalformedMessage},
	{ErrMessageTooLarge, reason.MessageTooLarge},
	{ErrTooMuchAtOnce, reason.Overloaded},
	{job.ErrUnavailable, reason.Unavailable},
	{context.DeadlineExceeded, reason.DeadlineExceeded},
	{context.Canceled, reason.Cancelled},
}

// Of returns the form of err in which clients see it. Only typed errors and
// sentinels of package job say anything; the rest is INTERNAL without a word of what went on inside.
func Of(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return withReason(s) // already in its final form, or nil, or made by gRPC itself
	}
	if invalid, ok := errors.AsType[*job.InvalidError](err); ok {
		return invalidStatus(invalid)
	}
	for _, k := range kinds {
		if !errors.Is(err, k.sentinel) {
			continue
		}
		info := k.kind.Info(nil)
		var user *job.UserError
		if !errors.As(err, &user) {
			return detailed(k.kind.Code, k.kind.Message, info)
		}
		info.Metadata = user.Metadata
		details := []protoadapt.MessageV1{info}
		if user.RetryAfter > 0 {
			details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(user.RetryAfter)})
		}
		if user.Reached != nil {
			details = append(details, quotaFailure(user))
			info.Metadata = map[string]string{ // an error has this or Metadata, never both
				"field": user.Reached.Field, "limit": string(user.Reached.Quota), "number": strconv.FormatInt(user.Reached.Limit, 10),
			}
		}
		if user.Missing != nil {
			details = append(details, &errdetails.ResourceInfo{ResourceType: user.Missing.Type, ResourceName: user.Missing.Name, Description: sentence(user.Message)})
		}
		return detailed(k.kind.Code, sentence(user.Message), details...)
	}
	return detailed(reason.Internal.Code, reason.Internal.Message, reason.Internal.Info(nil))
}

// withReason gives an error of gRPC itself, such as of a message that is too large, a reason like all others.
func withReason(s *status.Status) *status.Status {
	kind := reason.Plain[s.Code()]
	if s == nil || kind == nil {
		return s
	}
	for _, d := range s.Details() {
		if _, ok := d.(*errdetails.ErrorInfo); ok {
			return s
		}
	}
	return detailed(s.Code(), s.Message(), kind.Info(nil))
}

// Unknown returns what the caller of a call that there is not is told.
func Unknown() *status.Status {
	return detailed(reason.Unimplemented.Code, reason.Unimplemented.Message, reason.Unimplemented.Info(nil))
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
	message := reason.InvalidArgument.Message
	if len(e.Violations) > 0 {
		message = e.Violations[0].Field + " " + e.Violations[0].Description + "."
		if n := len(e.Violations) - 1; n > 0 {
			message += " And more: see the field violations."
		}
	}
	info := reason.InvalidArgument.Info(nil)
	if len(e.Violations) > 0 {
		info.Metadata = map[string]string{"field": e.Violations[0].Field}
	}
	return detailed(reason.InvalidArgument.Code, message, info, bad)
}

func detailed(code codes.Code, message string, details ...protoadapt.MessageV1) *status.Status {
	s := status.New(code, message)
	with, err := s.WithDetails(details...)
	if err != nil { // cannot be: the details are well-known messages
		return s
	}
	return with
}
