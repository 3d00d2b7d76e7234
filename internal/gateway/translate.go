package gateway

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// newTranslator makes the handler that turns calls in gRPC-Web and Connect into calls of gRPC.
func (g *gateway) newTranslator() (http.Handler, error) {
	var services []*vanguard.Service
	for name := range g.calls.services {
		services = append(services, vanguard.NewService(name, reached(g.GRPC),
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC), vanguard.WithTargetCodecs(vanguard.CodecProto),
			vanguard.WithNoTargetCompression(),                          // it is in this process, and takes no empty message that was compressed
			vanguard.WithMaxMessageBufferBytes(uint32(g.MaxBodyBytes)))) //nolint:gosec // some megabytes
	}
	codec := &callJSON{sizes: make(map[protoreflect.FullName]messageSize), room: g.Decode}
	for path, method := range g.calls.methods {
		if g.SizeOf != nil {
			bytes, elements := g.SizeOf(path)
			codec.sizes[method.Input().FullName()] = messageSize{bytes, elements}
		}
	}
	translator, err := vanguard.NewTranscoder(services,
		vanguard.WithCodec(func(types vanguard.TypeResolver) vanguard.Codec {
			c := *codec
			c.JSONCodec = vanguard.NewJSONCodec(types)
			return &c
		}),
		vanguard.WithCompression(vanguard.CompressionGzip,
			func() connect.Compressor { return gzip.NewWriter(io.Discard) },
			func() connect.Decompressor { return &boundedGzip{max: g.MaxBodyBytes} }))
	if err != nil {
		return nil, fmt.Errorf("translate gRPC-Web and Connect: %w", err)
	}
	return translator, nil
}

// messageSize is how many bytes and values the JSON of a message may have.
type messageSize struct {
	bytes    int64
	elements int
}

// callJSON reads and writes the JSON of calls. What a text becomes is bounded before anything is made of it.
type callJSON struct {
	*vanguard.JSONCodec

	sizes map[protoreflect.FullName]messageSize // by the message
	room  func(bytes, elements int) (done func(), ok bool)
}

// Unmarshal reads a message within the bounds of its call. The room that it takes is held until the message is there: from then to
// its encoding, which follows at once, is shorter than what came before.
func (c *callJSON) Unmarshal(text []byte, m proto.Message) error {
	elements := elementsOf(text)
	size, known := c.sizes[m.ProtoReflect().Descriptor().FullName()]
	switch {
	case known && (int64(len(text)) > size.bytes || elements > size.elements):
		return connectError(callTooLarge())
	case !utf8.Valid(text):
		return connectError(malformed("is not UTF-8"))
	case nested(text) > maxDepth:
		return connectError(malformed(fmt.Sprintf("nests deeper than %d levels", maxDepth)))
	}
	if c.room != nil {
		done, ok := c.room(len(text), elements)
		if !ok {
			return connectError(overloaded())
		}
		defer done()
	}
	if err := c.JSONCodec.Unmarshal(text, m); err != nil {
		return connectError(malformed("does not fit " + string(m.ProtoReflect().Descriptor().Name()) + ": " + clip(err.Error(), 200)))
	}
	return nil
}

// boundedGzip decompresses a message of bounded size. The translator's own would make gigabytes of one megabyte.
type boundedGzip struct {
	gzip.Reader

	max, left int64
}

// Reset begins with another message.
func (b *boundedGzip) Reset(r io.Reader) error {
	b.left = b.max
	return b.Reader.Reset(r)
}

// Read reads what the message becomes.
func (b *boundedGzip) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.Reader.Read(one[:]); n == 0 && errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		return 0, connectError(callTooLarge())
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// reachedKey finds whether a request came to be a call, which then has a line in the log of its own.
type reachedKey struct{}

// reached notes that a request came to be a call.
func reached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if was, ok := r.Context().Value(reachedKey{}).(*bool); ok {
			*was = true
		}
		next.ServeHTTP(w, r)
	})
}

// withReached has a request note whether it came to be a call.
func withReached(r *http.Request) (*http.Request, *bool) {
	was := new(bool)
	return r.WithContext(context.WithValue(r.Context(), reachedKey{}, was)), was
}
