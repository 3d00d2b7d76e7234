package reason

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// What is wrong with a request.
var (
	// InvalidArgument is a request with field violations.
	InvalidArgument = kind("INVALID_ARGUMENT", codes.InvalidArgument, http.StatusBadRequest,
		"The request is invalid.", "the request is wrong; see the field violations. `field` is the first of them")
	// MalformedJSON is a body that is not the JSON of its message.
	MalformedJSON = kind("MALFORMED_JSON", codes.InvalidArgument, http.StatusBadRequest,
		"The body cannot be read as JSON.", "the body is not JSON, or not that of this call")
	// MalformedMessage is a message that no decoder reads.
	MalformedMessage = kind("MALFORMED_MESSAGE", codes.InvalidArgument, http.StatusBadRequest,
		"The message cannot be read: it is none of this contract, or a text in it is not valid UTF-8.", "the message of a call cannot be read")
	// MalformedBody is a body that is not compressed as it says.
	MalformedBody = kind("MALFORMED_BODY", codes.InvalidArgument, http.StatusBadRequest,
		"The body is not the gzip that Content-Encoding says, or ends before its end.", "a body that is not the gzip that `Content-Encoding` says")
	// UnsupportedMediaType is a body in an encoding or an envelope that is not taken.
	UnsupportedMediaType = kind("UNSUPPORTED_MEDIA_TYPE", codes.InvalidArgument, http.StatusUnsupportedMediaType,
		"A body in this form is not taken.", "`Content-Encoding` is not gzip, or a form came where a file is expected; see the field violations")
	// BodyIncomplete is a body that ended too early.
	BodyIncomplete = kind("BODY_INCOMPLETE", codes.InvalidArgument, http.StatusBadRequest,
		"The body ended before its end.", "the connection broke while the body came")
	// BodyTimeout is a body that came too slowly.
	BodyTimeout = kind("BODY_TIMEOUT", codes.DeadlineExceeded, http.StatusRequestTimeout,
		"The body took too long to arrive.", "the body took too long")
	// BodyTooLarge is a body of REST that no call takes.
	BodyTooLarge = kind("BODY_TOO_LARGE", codes.ResourceExhausted, http.StatusRequestEntityTooLarge,
		"The body is larger than any call takes.", "a body of more than 4 MiB; files are sent by uploads")
	// MessageTooLarge is a message larger than its call takes.
	MessageTooLarge = kind("MESSAGE_TOO_LARGE", codes.ResourceExhausted, http.StatusRequestEntityTooLarge,
		"The message is larger than this call takes, or has more elements; files go by uploads, and many jobs by several calls.",
		"a message is larger than its call takes: 64 KiB, 1 MiB for `Submit` and `Rerun`, 4 MiB for `BatchSubmit` and a part of an upload; or it has more values than that many bytes of usual parameters have")
	// TooLarge is more than can be stored or returned at once.
	TooLarge = kind("TOO_LARGE", codes.InvalidArgument, http.StatusBadRequest,
		"The request is larger than what can be stored at once.", "more than can be stored, or returned, at once")
)

// What there is not, or not in this state.
var (
	// NotFound is a thing that does not exist for the caller.
	NotFound = kind("NOT_FOUND", codes.NotFound, http.StatusNotFound,
		"There is no such thing, or it is not yours.", "there is no such thing, or it is not yours. `ResourceInfo` names it")
	// NoSuchRoute is a path of REST that leads nowhere.
	NoSuchRoute = kind("NO_SUCH_ROUTE", codes.NotFound, http.StatusNotFound,
		"There is nothing at this path; /openapi.json lists what there is.", "nothing at this path")
	// MethodNotAllowed is a path of REST with a method that it does not take.
	MethodNotAllowed = kind("METHOD_NOT_ALLOWED", codes.Unimplemented, http.StatusMethodNotAllowed,
		"This path does not take this method; the Allow header lists those it takes.", "something at this path, but not with this method")
	// RequestIDReused is a request id that stands for another request.
	RequestIDReused = kind("REQUEST_ID_REUSED", codes.AlreadyExists, http.StatusConflict,
		"This request_id was used before for another request; use a new one.", "the request id came with another request, or all jobs of its request were deleted; use a new one")
	// AlreadyExists is a name that is taken.
	AlreadyExists = kind("ALREADY_EXISTS", codes.AlreadyExists, http.StatusConflict,
		"Something of that name exists.", "a file of that name is there")
	// UploadOffset is an append elsewhere than where the upload goes on.
	UploadOffset = kind("UPLOAD_OFFSET", codes.Aborted, http.StatusConflict,
		"The upload goes on at another byte.", "an upload goes on at another byte, which the metadata `offset` says")
	// TusVersion is an upload in a version of tus that is not spoken.
	TusVersion = kind("TUS_VERSION", codes.FailedPrecondition, http.StatusPreconditionFailed,
		"This version of tus is not spoken here.", "the header `Tus-Resumable` has another version than 1.0.0")
	// Conflict is what is not possible in the present state.
	Conflict = kind("CONFLICT", codes.FailedPrecondition, http.StatusBadRequest,
		"This is not possible in the present state.", "not possible in the present state, for example: the service is not available")
	// UserUnknown is a name that nobody was seen with.
	UserUnknown = kind("USER_UNKNOWN", codes.FailedPrecondition, http.StatusBadRequest,
		"Nobody of that name was ever seen here.", "a job would be shared with a name that was never seen here; `unknown_user` does it all the same")
	// TooManyFiles is an archive with too many files.
	TooManyFiles = kind("TOO_MANY_FILES", codes.FailedPrecondition, http.StatusBadRequest,
		"The job has more result files than one archive takes.", "more than 10,000 result files for one archive")
	// RangeNotSatisfiable is a part of a file behind its end.
	RangeNotSatisfiable = kind("RANGE_NOT_SATISFIABLE", codes.OutOfRange, http.StatusRequestedRangeNotSatisfiable,
		"The file ends before the range that was asked for.", "the file ends before the range")
)

// What is used up, for now or for good.
var (
	// LimitReached is a limit or a quota that is used up.
	LimitReached = kind("LIMIT_REACHED", codes.ResourceExhausted, http.StatusTooManyRequests,
		"A limit is reached.", "a limit or a quota is used up. `limit` names it and `number` says how much it is, as `QuotaFailure` does with whose it is; where waiting helps there is `RetryInfo`, else make room")
	// Overloaded is a server with more to do than it takes.
	Overloaded = kind("OVERLOADED", codes.ResourceExhausted, http.StatusTooManyRequests,
		"The server has more to do than it can take; try again in a moment.", "too much is waiting, or too many large requests are being handled; try again in a moment")
	// RateLimited is a caller who sends too many requests.
	RateLimited = kind("RATE_LIMITED", codes.ResourceExhausted, http.StatusTooManyRequests,
		"Too many requests; send fewer a second.", "you, or all at your address, send too many requests a second; go on after the wait that is given")
	// TooManyStreams is a caller with too many streams.
	TooManyStreams = kind("TOO_MANY_STREAMS", codes.ResourceExhausted, http.StatusTooManyRequests,
		"Too many streams are open; close some.", "you, or all at your address, have too many streams open")
	// TooManySignIns is an address from which too many credentials were bad.
	TooManySignIns = kind("TOO_MANY_SIGN_INS", codes.ResourceExhausted, http.StatusTooManyRequests,
		"Too many attempts to sign in have failed; wait a moment.", "too many bad credentials came from your address; go on after the wait that is given")
	// NoSpace is a server whose disk is nearly full.
	NoSpace = kind("NO_SPACE", codes.ResourceExhausted, http.StatusInsufficientStorage,
		"The server's disk is nearly full.", "the server's disk is nearly full: no job and no upload is taken until there is room")
)

// What the server cannot do now.
var (
	// SubmissionsClosed is a server that takes no new jobs.
	SubmissionsClosed = kind("SUBMISSIONS_CLOSED", codes.Unavailable, http.StatusServiceUnavailable,
		"The operators have closed submissions for now.", "operators have closed submissions")
	// StorageUnknown is a request of which nobody knows whether it was stored.
	StorageUnknown = kind("STORAGE_UNKNOWN", codes.Unavailable, http.StatusServiceUnavailable,
		"The server's disk failed while it stored this, and it is not known whether it is stored. Send it again with the same request id: it will not be done twice.",
		"the disk failed while this was stored, and nobody knows whether it is: send it again with the same request id")
	// StorageFailed is a store that cannot save.
	StorageFailed = kind("STORAGE_FAILED", codes.Unavailable, http.StatusServiceUnavailable,
		"The server cannot save at the moment; its operators have been told by its health.", "the server cannot save")
	// Unavailable is what is not there at the moment.
	Unavailable = kind("UNAVAILABLE", codes.Unavailable, http.StatusServiceUnavailable,
		"This is not available at the moment; try again.", "not now; try again")
	// ServerStopping is a server that ends its streams.
	ServerStopping = kind("SERVER_STOPPING", codes.Unavailable, http.StatusServiceUnavailable,
		"The server is stopping; connect again in a moment.", "the server is stopping; connect again")
	// IssuerUnavailable is an issuer of tokens that cannot be asked.
	IssuerUnavailable = kind("ISSUER_UNAVAILABLE", codes.Unavailable, http.StatusServiceUnavailable,
		"The server cannot reach the issuer that signs users in; try again in a moment.", "the issuer that signs users in cannot be asked; try again")
	// DeadlineExceeded is a call that took too long.
	DeadlineExceeded = kind("DEADLINE_EXCEEDED", codes.DeadlineExceeded, http.StatusGatewayTimeout,
		"The call took longer than its deadline.", "the call's own deadline")
	// Cancelled is a call that its caller ended.
	Cancelled = kind("CANCELLED", codes.Canceled, 499,
		"The caller went away.", "the caller ended the call")
	// Internal is a mistake in the server.
	Internal = kind("INTERNAL", codes.Internal, http.StatusInternalServerError,
		"Something went wrong inside the server; its log says what.", "a mistake in the server; its log says what")
)

// Who does not come in.
var (
	// CredentialsMissing is a call without credentials.
	CredentialsMissing = kind("CREDENTIALS_MISSING", codes.Unauthenticated, http.StatusUnauthorized,
		"This server needs to know who you are: send a token as \"Authorization: Bearer TOKEN\" (stint: run stint login, or set STINT_TOKEN).", "no credentials came")
	// CredentialsUnsupported is a header that holds something else than one bearer token.
	CredentialsUnsupported = kind("CREDENTIALS_UNSUPPORTED", codes.Unauthenticated, http.StatusUnauthorized,
		"The authorization must be one \"Bearer TOKEN\".", "the header `Authorization` has another form")
	// Unauthenticated is a header that no credentials can be in.
	Unauthenticated = kind("UNAUTHENTICATED", codes.Unauthenticated, http.StatusUnauthorized,
		"This needs valid credentials.", "the header `Authorization` cannot be read")
	// TokenMalformed is what is no token.
	TokenMalformed = kind("TOKEN_MALFORMED", codes.Unauthenticated, http.StatusUnauthorized,
		"This is not a whole API token: it was mistyped or cut off, or belongs to something else.", "a token that is cut off or mistyped")
	// TokenUnknown is a token that does not exist here.
	TokenUnknown = kind("TOKEN_UNKNOWN", codes.Unauthenticated, http.StatusUnauthorized,
		"This API token does not exist here: it was revoked, or made for another server.", "a token that does not exist here")
	// TokenExpired is a token after its time.
	TokenExpired = kind("TOKEN_EXPIRED", codes.Unauthenticated, http.StatusUnauthorized,
		"This token has expired; make a new one, or sign in again.", "a token after its time")
	// TokenRevoked is a token that was taken back.
	TokenRevoked = kind("TOKEN_REVOKED", codes.Unauthenticated, http.StatusUnauthorized,
		"This token was revoked; make a new one, or sign in again.", "a token that was taken back during the call")
	// TokenNotGenuine is a token that the issuer did not make.
	TokenNotGenuine = kind("TOKEN_NOT_GENUINE", codes.Unauthenticated, http.StatusUnauthorized,
		"This token was not made by the issuer that this server trusts, or was changed since.", "a JSON web token that the issuer did not make")
	// TokenAudience is a token for another service.
	TokenAudience = kind("TOKEN_AUDIENCE", codes.Unauthenticated, http.StatusUnauthorized,
		"This token was made for another service.", "a JSON web token for another service")
	// TokenNotYetValid is a token before its time.
	TokenNotYetValid = kind("TOKEN_NOT_YET_VALID", codes.Unauthenticated, http.StatusUnauthorized,
		"This token is not valid yet; compare the clocks of the issuer and of this server.", "a JSON web token before its time")
	// TokenBound is a token that is not for bearers.
	TokenBound = kind("TOKEN_BOUND", codes.Unauthenticated, http.StatusUnauthorized,
		"This token is bound to a key of its client, which this server does not check; ask the issuer for a plain bearer token.", "a JSON web token that is bound to a key of its client")
	// SessionEnded is a browser's session after its end.
	SessionEnded = kind("SESSION_ENDED", codes.Unauthenticated, http.StatusUnauthorized,
		"Your session has ended; sign in again.", "the browser's session expired or was ended")
	// SignedOut is a token from before its user was signed out everywhere.
	SignedOut = kind("SIGNED_OUT", codes.Unauthenticated, http.StatusUnauthorized,
		"You were signed out everywhere after this token was made; sign in again.", "the issuer made the token before the user was signed out everywhere")
	// CertificateUnknown is a certificate that stands for nobody.
	CertificateUnknown = kind("CERTIFICATE_UNKNOWN", codes.Unauthenticated, http.StatusUnauthorized,
		"The client certificate is valid, but stands for nobody here: ask the operators to name it under client-certificates in the server's configuration file.", "the client certificate stands for nobody here")
	// CertificateExpired is a certificate after its time.
	CertificateExpired = kind("CERTIFICATE_EXPIRED", codes.Unauthenticated, http.StatusUnauthorized,
		"The client certificate has expired; renew it.", "the client certificate is no longer valid")
	// AttemptOver is the token of a command whose attempt has ended.
	AttemptOver = kind("ATTEMPT_OVER", codes.Unauthenticated, http.StatusUnauthorized,
		"The attempt that this token was made for is over.", "the token of a job's command, after that attempt has ended")
)

// Who may not do this.
var (
	// PermissionDenied is what the caller may do to nothing.
	PermissionDenied = kind("PERMISSION_DENIED", codes.PermissionDenied, http.StatusForbidden,
		"This needs a role that you do not have.", "for operators only, or for another role")
	// RoleRequired is a call that needs a role.
	RoleRequired = kind("ROLE_REQUIRED", codes.PermissionDenied, http.StatusForbidden,
		"You have no role that allows this.", "the whole call is for another role")
	// CallNotOpen is a call that no role opens.
	CallNotOpen = kind("CALL_NOT_OPEN", codes.PermissionDenied, http.StatusForbidden,
		"This method is not open to callers.", "no role opens this call")
	// ScopeRequired is a credential that is narrowed to other things.
	ScopeRequired = kind("SCOPE_REQUIRED", codes.PermissionDenied, http.StatusForbidden,
		"The credential that you use is narrowed and does not reach this; use one with the scope for it (stint whoami shows the scopes).", "the credential is narrowed to scopes that do not reach this")
	// ActForNotAllowed is a caller who acts for another without being a service account.
	ActForNotAllowed = kind("ACT_FOR_NOT_ALLOWED", codes.PermissionDenied, http.StatusForbidden,
		"Only service accounts act for users: leave Stint-Act-For out, or use a token with the role service.", "`Stint-Act-For` came from a caller who is no service account")
	// UserDisabled is a user whom the operators disabled.
	UserDisabled = kind("USER_DISABLED", codes.PermissionDenied, http.StatusForbidden,
		"The operators of this server have disabled your user; ask them why.", "the operators have disabled the user, or the owner that a job is for")
	// UserName is a name of the issuer's that no user can have.
	UserName = kind("USER_NAME", codes.PermissionDenied, http.StatusForbidden,
		"The issuer gives you a name that cannot be a user here: letters, digits and . _ @ + - only, at most 128. Ask the operators to choose another claim.", "the issuer gives a name that no user can have here")
	// EmailNotVerified is a name that the issuer did not verify.
	EmailNotVerified = kind("EMAIL_NOT_VERIFIED", codes.PermissionDenied, http.StatusForbidden,
		"Your mail address is your name here, and the issuer did not verify it. Verify it there and sign in again.", "the user's name is a mail address that the issuer did not verify")
	// DevelopmentMode is a caller whom development mode does not serve.
	DevelopmentMode = kind("DEVELOPMENT_MODE", codes.PermissionDenied, http.StatusForbidden,
		"This server is in development mode, which serves programs of its own user on this machine alone.",
		"the server takes callers without credentials, and this one is of another user of the machine, or came through a proxy: start it with `--auth token`")
	// CrossSite is a request of a page of another site.
	CrossSite = kind("CROSS_SITE", codes.PermissionDenied, http.StatusForbidden,
		"Pages of other sites cannot do this.", "a page of another site tried to change or to read something, or a cookie came without an origin")
	// HostNotAllowed is a request for a name that the server does not have.
	HostNotAllowed = kind("HOST_NOT_ALLOWED", codes.PermissionDenied, http.StatusMisdirectedRequest,
		"This server does not answer to that host name.", "the server does not answer to that host name")
)

// What is not spoken here.
var (
	// GRPCNotHere is gRPC where it cannot be.
	GRPCNotHere = kind("GRPC_NOT_HERE", codes.Unimplemented, http.StatusUnsupportedMediaType,
		"gRPC needs HTTP/2.", "gRPC over HTTP/1.1 (there a status of gRPC), or at a path that has no call")
	// CallProtocolUnknown is a call in a protocol that is not spoken.
	CallProtocolUnknown = kind("CALL_PROTOCOL_UNKNOWN", codes.Unimplemented, http.StatusUnsupportedMediaType,
		"Calls are not made with that content type.", "a call with a content type of none of the protocols")
	// Unimplemented is a call that the server does not have.
	Unimplemented = kind("UNIMPLEMENTED", codes.Unimplemented, http.StatusNotFound,
		"This server does not offer that call.", "no such call")
	// OtherPort is what came to the port for gRPC alone.
	OtherPort = kind("OTHER_PORT", codes.Unimplemented, http.StatusMisdirectedRequest,
		"This port is for gRPC.", "something other than gRPC at the port of `--grpc-listen`")
)

// Plain has the entry of each code that comes from gRPC itself, without a reason.
var Plain = map[codes.Code]*Kind{
	codes.Canceled:          Cancelled,
	codes.DeadlineExceeded:  DeadlineExceeded,
	codes.InvalidArgument:   InvalidArgument,
	codes.NotFound:          NotFound,
	codes.AlreadyExists:     AlreadyExists,
	codes.PermissionDenied:  PermissionDenied,
	codes.ResourceExhausted: MessageTooLarge,
	codes.OutOfRange:        RangeNotSatisfiable,
	codes.Unauthenticated:   Unauthenticated,
	codes.Unavailable:       Unavailable,
	codes.Unimplemented:     Unimplemented,
	codes.Internal:          Internal,
}
