package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// protocolsOverHTTP are the content types of calls on connections that net/http has.
var protocolsOverHTTP = map[string]string{
	"gRPC among other requests": "application/grpc+proto", "gRPC-Web": "application/grpc-web+proto",
	"Connect": "application/proto", "Connect in JSON": "application/json", "Connect's streams": "application/connect+proto",
}

// enveloped puts a message into the envelope that a protocol has around it.
func enveloped(media string, message []byte) []byte {
	if !strings.Contains(media, "grpc") && !strings.Contains(media, "connect+") {
		return message
	}
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // small
	return append(head, message...)
}

// overHTTP makes a call over a client's connection, and returns the status of HTTP and that of gRPC
// where it is in the header. Streams are read until their first bytes.
func (h *hostile) overHTTP(t *testing.T, client *http.Client, c routeCall, media string) (status, grpcStatus string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url(c.path), bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	resp, err := client.Do(req)
	if err != nil { // the connection was closed for what was refused on it
		return "closed", ""
	}
	defer resp.Body.Close()
	_, _ = io.ReadFull(resp.Body, make([]byte, 1))
	return resp.Status, resp.Header.Get("Grpc-Status")
}

// usersOverHTTP makes every call as a user, with the largest message and with the most elements, in
// the protocol of a content type.
func (h *hostile) usersOverHTTP(t *testing.T, media string, repeats int) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer client.CloseIdleConnections()
	all := methods()
	for _, method := range slices.Sorted(maps.Keys(all)) {
		for what, message := range largeMessages(media, all[method].Input()) {
			c := routeCall{path: method, authorization: "Bearer " + h.token["ann"], body: enveloped(media, message)}
			may := callsOfUsers[method]
			var status, code string
			got := h.each(repeats, may, func() { status, code = h.overHTTP(t, client, c, media) })
			if t.Logf("%s, %s: %s %s, %s, %.1f MB", method, what, status, code, got.cpu, got.memory); !got.within(may) {
				t.Errorf("%s, %s: costs %s and %.1f MB, may cost %s and %.0f MB", method, what, got.cpu, got.memory, may.cpu, may.memory)
			}
		}
	}
}

// largeMessages are the largest one, the one with the most elements, and one with as many as 64 KiB
// have, for a call in the protocol of a content type.
func largeMessages(media string, input protoreflect.MessageDescriptor) map[string][]byte {
	if media != "application/json" {
		return map[string][]byte{
			"largest": largest(), "most elements": mostElements(input, 4<<20-16), "64 KiB of elements": mostElements(input, 64<<10),
		}
	}
	name := "none"
	for i := range input.Fields().Len() {
		if f := input.Fields().Get(i); f.IsList() && (f.Message() != nil || f.Kind() == protoreflect.StringKind) {
			name = f.JSONName()
		}
	}
	elements := func(n int) []byte {
		return []byte(`{"` + name + `":[` + strings.Repeat("{},", n) + `{}]}`)
	}
	return map[string][]byte{
		"largest": []byte(`{"none":"` + strings.Repeat("x", 4<<20-32) + `"}`), "most elements": elements(1_398_000), "64 KiB of elements": elements(21_000),
	}
}
