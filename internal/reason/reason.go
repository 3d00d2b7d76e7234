// Package reason is the one table of what calls are refused with: each stable reason has one code, one HTTP status, the words
// that go with it, and when it comes. Whatever refuses a call takes its entry from here, and docs/api.md shows the table.
package reason

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
)

// Domain is the domain of every ErrorInfo that Stint sends.
const Domain = "stint"

// Kind is one way in which a call is refused.
type Kind struct {
	// Reason is what programs go by. It never changes its meaning.
	Reason string
	// Code is the code in gRPC, gRPC-Web and Connect.
	Code codes.Code
	// HTTP is the status in REST.
	HTTP int
	// Message is what a person is told where nothing truer is known.
	Message string
	// When says in the documentation when it comes.
	When string
}

// Info returns the detail that every error has. metadata may be nil.
func (k *Kind) Info(metadata map[string]string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: k.Reason, Domain: Domain, Metadata: metadata}
}

var (
	table    []*Kind
	byReason = make(map[string]*Kind)
)

// All returns the table, in the order of the documentation. It is read-only.
func All() []*Kind { return table }

// Of returns the entry of a reason, or nil.
func Of(reason string) *Kind { return byReason[reason] }

func kind(reason string, code codes.Code, status int, message, when string) *Kind {
	k := &Kind{Reason: reason, Code: code, HTTP: status, Message: message, When: when}
	table = append(table, k)
	byReason[reason] = k
	return k
}
