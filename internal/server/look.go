package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// lookBytes is how much of a connection is read before its first request must be known.
	lookBytes = 16 << 10
	// usualStreams is the number of streams that a connection is told of before it is known who serves it. It is that of
	// net/http, which resets streams above its own number; gRPC's server raises it afterwards.
	usualStreams = 250
	// maxPings is how many PINGs a client may send before its first request. One that keeps its connection alive sends a dozen.
	maxPings = 50
	// goAwayTime is how long a client may take to accept that its connection is not served.
	goAwayTime = time.Second
	// settingTrueBinary is a setting that gRPC libraries send beside those of HTTP/2 (GRPC_ALLOW_TRUE_BINARY_METADATA).
	settingTrueBinary http2.SettingID = 0xfe03
)

// look is what an HTTP/2 connection shows up to its first request.
//
// Some clients send no request before they have the server's SETTINGS, so the server speaks first: it
// sends SETTINGS before it is known which server gets the connection. The client's acknowledgement of
// these is left out of what that server reads; see ackFilter.
type look struct {
	conn   net.Conn
	framer *http2.Framer
	seen   bytes.Buffer // all that was read
	left   *io.LimitedReader

	greeted      bool // the server's SETTINGS were sent
	acknowledged bool // the client waited for them before its first request
	pings        int
	unusual      bool // the client sent settings that no gRPC library sends
	first        *http2.MetaHeadersFrame
}

// newLook returns a look at a connection of which the bytes begun were read already.
func newLook(conn net.Conn, begun []byte) *look {
	l := &look{conn: conn}
	l.left = &io.LimitedReader{R: io.TeeReader(io.MultiReader(bytes.NewReader(begun), conn), &l.seen), N: lookBytes}
	l.framer = http2.NewFramer(conn, l.left)
	l.framer.SetMaxReadFrameSize(lookBytes)
	l.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	l.framer.MaxHeaderListSize = maxHeaderList
	return l
}

// errNotHTTP2 says that a connection began like HTTP/2 and went on otherwise.
var errNotHTTP2 = errors.New("the connection does not speak HTTP/2")

// readPreface reads what each HTTP/2 client sends first.
func (l *look) readPreface() error {
	preface := make([]byte, len(http2.ClientPreface))
	for n := range preface { // byte by byte: what is something else may be shorter
		if _, err := io.ReadFull(l.left, preface[n:n+1]); err != nil {
			return err
		}
		if preface[n] != http2.ClientPreface[n] {
			return errNotHTTP2
		}
	}
	return nil
}

// readFirst reads up to the first request. It leaves first nil where the client sends so much before it, or something that is
// not HTTP/2, that no gRPC library does so. Its errors are those of the connection.
// idle is called when the client has shown that it speaks HTTP/2, and gives it time for its first request.
func (l *look) readFirst(idle func() error) error {
	for l.first == nil {
		frame, err := l.framer.ReadFrame()
		if err != nil {
			return l.brokenBy(err)
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			l.first = f
		case *http2.SettingsFrame:
			if err := l.settings(f, idle); err != nil {
				return err
			}
		case *http2.PingFrame:
			if err := l.ping(f); err != nil {
				return err
			}
		default: // WINDOW_UPDATE, PRIORITY and what a gRPC library does not send
		}
	}
	return nil
}

// errPings ends a connection that does nothing but ping.
var errPings = errors.New("the client sends pings and no request")

// ping replies to a PING.
func (l *look) ping(f *http2.PingFrame) error {
	if f.IsAck() {
		return nil
	}
	if l.pings++; l.pings > maxPings {
		l.greeted = false                                                                   // it is told here, once
		_ = l.framer.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings")) // the connection ends either way
		return errPings
	}
	return l.framer.WritePing(true, f.Data)
}

// brokenBy returns err if it is the connection's own, and nil if it is about what the client sent: net/http then
// reads the same and says what is wrong with it.
func (l *look) brokenBy(err error) error {
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, net.ErrClosed) {
		return err
	}
	if l.left.N > 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)) {
		return err
	}
	return nil
}

// settings notes what the client's SETTINGS show, and replies to the first of them. From then on the client may be idle:
// gRPC libraries connect long before they call.
func (l *look) settings(f *http2.SettingsFrame, idle func() error) error {
	if f.IsAck() {
		l.acknowledged = true
		return nil
	}
	for i := range f.NumSettings() {
		id := f.Setting(i).ID
		l.unusual = l.unusual || id > http2.SettingMaxHeaderListSize && id != settingTrueBinary
	}
	if l.greeted {
		return nil
	}
	l.greeted = true
	if err := l.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: usualStreams}); err != nil {
		return err
	}
	return idle()
}

// isGRPC reports whether the first request is a gRPC call.
func (l *look) isGRPC() bool {
	return l.first != nil && slices.ContainsFunc(l.first.Fields, func(f hpack.HeaderField) bool {
		rest, ok := strings.CutPrefix(f.Value, "application/grpc")
		return f.Name == "content-type" && ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
	})
}

// isGRPCLibrary reports whether the connection surely belongs to one client that sends nothing but gRPC calls. A wrong yes is a
// REST request that gRPC's server refuses without a word, and a wrong no costs processor time: so all marks must be there.
//   - its first request is a call;
//   - it names a gRPC library, and not one that speaks gRPC over an HTTP client, as connect-go does;
//   - nothing in it shows a proxy, which has the requests of many clients;
//   - it came after the server's SETTINGS, for which HTTP clients do not wait;
//   - no settings but those of gRPC libraries. HAProxy waits, too, and sends another one.
func (l *look) isGRPCLibrary() bool {
	if !l.isGRPC() || !l.acknowledged || l.unusual {
		return false
	}
	library := false
	for _, f := range l.first.Fields {
		switch {
		case showsProxy(f.Name):
			return false
		case f.Name == "user-agent":
			library = strings.Contains(f.Value, "grpc-") && !strings.Contains(f.Value, "connect")
		}
	}
	return library
}

// goAway sends GOAWAY: none of the client's requests was served, so it repeats them on another connection.
func (l *look) goAway() {
	if l.greeted && l.conn.SetDeadline(time.Now().Add(goAwayTime)) == nil {
		_ = l.framer.WriteGoAway(0, http2.ErrCodeNo, nil) // the connection ends either way
	}
}

// ackFilter leaves the first acknowledgement of SETTINGS out of what a client sends: the server that gets the
// connection did not send what it acknowledges, and net/http ends connections that acknowledge more than it sent.
type ackFilter struct {
	from io.Reader
	head [frameHead]byte
	kept []byte // of head, to be read
	left int    // bytes that pass as they are
	done bool
}

// frameHead is how long the head of a frame is: its length, type, flags and stream.
const frameHead = 9

// Read reads the next bytes.
func (f *ackFilter) Read(p []byte) (int, error) {
	for {
		switch {
		case len(f.kept) > 0:
			n := copy(p, f.kept)
			f.kept = f.kept[n:]
			return n, nil
		case f.left > 0:
			n, err := f.from.Read(p[:min(len(p), f.left)])
			f.left -= n
			return n, err
		case f.done:
			return f.from.Read(p)
		}
		if _, err := io.ReadFull(f.from, f.head[:]); err != nil {
			return 0, err
		}
		size := int64(binary.BigEndian.Uint32(f.head[:4]) >> 8)
		if http2.FrameType(f.head[3]) == http2.FrameSettings && http2.Flags(f.head[4]).Has(http2.FlagSettingsAck) {
			f.done = true
			if _, err := io.CopyN(io.Discard, f.from, size); err != nil {
				return 0, err
			}
			continue
		}
		f.kept, f.left = f.head[:], int(size)
	}
}
