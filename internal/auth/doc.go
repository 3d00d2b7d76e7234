// Package auth knows who calls and what they may: no call reaches a handler
// without a Principal, and none whose method is not in the one table of roles
// and ownership.
//
// Every way to sign in ends in the same Principal. Whatever way a call came,
// what it brings to show who makes it is put together as Credentials, and Identify is
// the one place that decides which of them count. A pair of interceptors puts the
// Principal into the context of unary calls and streams alike, and ends a stream whose
// credential is revoked or expires. REST passes the same interceptors: the gateway hands the
// Authorization header on as metadata, and tells the rest over its own connection
// in memory, where alone it is believed. Plain HTTP handlers call AuthenticateRequest.
//
// What a caller may do is data: the table in table.go. Handlers ask it by
// Authorize once they know whose thing a call is about.
package auth
