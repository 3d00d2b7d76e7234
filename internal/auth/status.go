package auth

import (
	"cmp"
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/internal/job"
)

// Domain is the domain of every ErrorInfo that Stint sends.
const Domain = "stint"

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

// ReasonNotLocal is the reason for whom development mode does not serve.
const ReasonNotLocal = "DEVELOPMENT_MODE"

// NotLocal refuses a caller whom development mode does not serve, with words that say what to do.
func NotLocal(words string) error { return &refusal{err: errNotLocal, words: words} }

// statuses is the table of what clients are told. It says nothing of what went on inside.
var statuses = map[error]struct {
	code    codes.Code
	reason  string
	message string
}{
	errNoCredentials: {codes.Unauthenticated, "CREDENTIALS_MISSING", "This server needs to know who you are: send a token as \"Authorization: Bearer TOKEN\" (stint: run stint login, or set STINT_TOKEN)."},
	errScheme:        {codes.Unauthenticated, "CREDENTIALS_UNSUPPORTED", "The authorization must be one \"Bearer TOKEN\"."},
	errMalformed:     {codes.Unauthenticated, "TOKEN_MALFORMED", "This is not a whole API token: it was mistyped or cut off, or belongs to something else."},
	errUnknown:       {codes.Unauthenticated, "TOKEN_UNKNOWN", "This API token does not exist here: it was revoked, or made for another server."},
	errExpired:       {codes.Unauthenticated, "TOKEN_EXPIRED", "This token has expired; make a new one, or sign in again."},
	errRevoked:       {codes.Unauthenticated, "TOKEN_REVOKED", "This token was revoked; make a new one, or sign in again."},
	errSessionEnded:  {codes.Unauthenticated, "SESSION_ENDED", "Your session has ended; sign in again."},
	errCertificate:   {codes.Unauthenticated, "CERTIFICATE_UNKNOWN", "The client certificate is valid, but stands for nobody here: ask the operators to name it under client-certificates in the server's configuration file."},
	errCertExpired:   {codes.Unauthenticated, "CERTIFICATE_EXPIRED", "The client certificate has expired; renew it."},
	errJobOver:       {codes.Unauthenticated, "ATTEMPT_OVER", "The attempt that this token was made for is over."},
	errUnavailable:   {codes.Unavailable, "UNAVAILABLE", "The server cannot check credentials at the moment; try again."},
	errMethod:        {codes.PermissionDenied, "METHOD_NOT_ALLOWED", "This method is not open to callers."},
	errRole:          {codes.PermissionDenied, "ROLE_REQUIRED", "You have no role that allows this."},
	errScope:         {codes.PermissionDenied, "SCOPE_REQUIRED", "The credential that you use is narrowed and does not reach this; use one with the scope for it (stint whoami shows the scopes)."},
	errActFor:        {codes.PermissionDenied, "ACT_FOR_NOT_ALLOWED", "Only service accounts act for users: leave Stint-Act-For out, or use a token with the role service."},
	errForged:        {codes.Unauthenticated, "TOKEN_NOT_GENUINE", "This token was not made by the issuer that this server trusts, or was changed since."},
	errAudience:      {codes.Unauthenticated, "TOKEN_AUDIENCE", "This token was made for another service."},
	errNotYet:        {codes.Unauthenticated, "TOKEN_NOT_YET_VALID", "This token is not valid yet; compare the clocks of the issuer and of this server."},
	errBound:         {codes.Unauthenticated, "TOKEN_BOUND", "This token is bound to a key of its client, which this server does not check; ask the issuer for a plain bearer token."},
	errUserName:      {codes.PermissionDenied, "USER_NAME", "The issuer gives you a name that cannot be a user here: letters, digits and . _ @ + - only, at most 128. Ask the operators to choose another claim."},
	errUnverified:    {codes.PermissionDenied, "EMAIL_NOT_VERIFIED", "Your mail address is your name here, and the issuer did not verify it. Verify it there and sign in again."},
	errNotLocal:      {codes.PermissionDenied, ReasonNotLocal, "This server is in development mode, which serves programs of its own user on this machine alone."},
	errDisabled:      {codes.PermissionDenied, "USER_DISABLED", "The operators of this server have disabled your user; ask them why."},
	errSignedOut:     {codes.Unauthenticated, "SIGNED_OUT", "You were signed out everywhere after this token was made; sign in again."},
	errIssuerDown:    {codes.Unavailable, "ISSUER_UNAVAILABLE", "The server cannot reach the issuer that signs users in; try again in a moment."},
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
	for kind := range statuses {
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
	for kind, s := range statuses {
		if !errors.Is(r.err, kind) {
			continue
		}
		st := status.New(s.code, cmp.Or(r.words, s.message))
		if with, err := st.WithDetails(&errdetails.ErrorInfo{Reason: s.reason, Domain: Domain}); err == nil {
			return with
		}
		return st
	}
	return status.New(codes.Internal, "Something went wrong inside the server; its log says what.")
}
