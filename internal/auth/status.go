package auth

import (
	"cmp"
	"errors"
	"fmt"

	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/reason"
)

// Why a call is refused before it reaches a handler.
var (
	errNoCredentials = errors.New("no credentials")
	errScheme        = errors.New("not one bearer token")
	errMalformed     = errors.New("malformed token")
	errUnknown       = errors.New("unknown token")
	errExpired       = errors.New("expired token")
	errRevoked       = errors.New("revoked token")
	errSessionEnded  = errors.New("ended session")
	errCertificate   = errors.New("certificate of nobody")
	errCertExpired   = errors.New("expired certificate")
	errJobOver       = errors.New("token of an attempt that is over")
	errUnavailable   = errors.New("credentials cannot be looked up")
	errScope         = errors.New("scope is missing")
	errActFor        = errors.New("acts for another without being a service account")
	errMethod        = errors.New("method is not in the table")
	errRole          = errors.New("role is missing")
	errForged        = errors.New("not made by the issuer")
	errAudience      = errors.New("made for somebody else")
	errNotYet        = errors.New("not valid yet")
	errBound         = errors.New("bound to a key of the client's")
	errUserName      = errors.New("no name that a user can have here")
	errUnverified    = errors.New("the issuer did not verify the mail address")
	errDisabled      = errors.New("the user is disabled")
	errSignedOut     = errors.New("signed out everywhere since it was made")
	errIssuerDown    = errors.New("the issuer cannot be reached")
	errNotLocal      = errors.New("not a program of the server's user, or behind a proxy")
)

// NotLocal refuses a caller whom development mode does not serve, with words that say what to do.
func NotLocal(words string) error { return &refusal{err: errNotLocal, words: words} }

// reasons is what clients are told. It says nothing of what went on inside.
var reasons = map[error]*reason.Kind{
	errNoCredentials: reason.CredentialsMissing,
	errScheme:        reason.CredentialsUnsupported,
	errMalformed:     reason.TokenMalformed,
	errUnknown:       reason.TokenUnknown,
	errExpired:       reason.TokenExpired,
	errRevoked:       reason.TokenRevoked,
	errSessionEnded:  reason.SessionEnded,
	errCertificate:   reason.CertificateUnknown,
	errCertExpired:   reason.CertificateExpired,
	errJobOver:       reason.AttemptOver,
	errUnavailable:   reason.Unavailable,
	errMethod:        reason.CallNotOpen,
	errRole:          reason.RoleRequired,
	errScope:         reason.ScopeRequired,
	errActFor:        reason.ActForNotAllowed,
	errForged:        reason.TokenNotGenuine,
	errAudience:      reason.TokenAudience,
	errNotYet:        reason.TokenNotYetValid,
	errBound:         reason.TokenBound,
	errUserName:      reason.UserName,
	errUnverified:    reason.EmailNotVerified,
	errNotLocal:      reason.DevelopmentMode,
	errDisabled:      reason.UserDisabled,
	errSignedOut:     reason.SignedOut,
	errIssuerDown:    reason.IssuerUnavailable,
}

// refusal is an error that knows its gRPC status.
type refusal struct {
	err   error
	words string // in the place of the table's; empty leaves those
}

// refuse wraps one of the errors above, or an error that wraps one.
func refuse(err error) *refusal { return &refusal{err: err} }

// asRefusal makes an error of a way to sign in one with a gRPC status: those of
// the table above have theirs, others can bring one, and what is left is a failure of the server.
func asRefusal(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	if _, ok := errors.AsType[*job.InvalidError](err); ok {
		return err // the API gives it its form
	}
	for kind := range reasons {
		if errors.Is(err, kind) {
			return refuse(err)
		}
	}
	return refuse(fmt.Errorf("%w: %w", errUnavailable, err))
}

// expired is why credentials of a kind are refused after their time.
func expired(how How) error {
	switch how {
	case HowSession:
		return errSessionEnded
	case HowCertificate:
		return errCertExpired
	case HowToken, HowOIDC, HowJob, HowDev, HowSocket:
		fallthrough
	default:
		return errExpired
	}
}

// revoked is why credentials of a kind are refused that were taken back.
func revoked(how How) error {
	switch how {
	case HowSession:
		return errSessionEnded
	case HowCertificate:
		return errCertificate
	case HowToken, HowOIDC, HowJob, HowDev, HowSocket:
		fallthrough
	default:
		return errRevoked
	}
}

// Error says why, for the log.
func (r *refusal) Error() string { return "authenticate: " + r.err.Error() }

// Unwrap is the cause.
func (r *refusal) Unwrap() error { return r.err }

// GRPCStatus is what the client is told.
func (r *refusal) GRPCStatus() *status.Status {
	for kind, k := range reasons {
		if errors.Is(r.err, kind) {
			return told(k, cmp.Or(r.words, k.Message))
		}
	}
	return told(reason.Internal, reason.Internal.Message)
}

func told(k *reason.Kind, message string) *status.Status {
	st := status.New(k.Code, message)
	if with, err := st.WithDetails(k.Info(nil)); err == nil {
		return with
	}
	return st
}
