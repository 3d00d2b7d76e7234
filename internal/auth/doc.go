// Package auth knows who calls and what they may: no call reaches a handler
// without a Principal, and none whose method is not in the one table of roles
// and ownership.
//
// Every way to sign in ends in the same Principal: today API tokens, the
// development mode of a server that only this machine can reach, and the
// operator's own unix socket. A pair of interceptors puts it into the context of
// unary calls and streams alike, and ends a stream whose token is revoked or
// expires. REST passes the same interceptors: the gateway hands the
// Authorization header on as metadata, and plain HTTP handlers call AuthenticateHeader.
//
// What a caller may do is data: the table in table.go. Handlers ask it by
// Authorize once they know whose thing a call is about.
package auth
