package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Client is a client that writes the frames of HTTP/2 one by one.
type h2Client struct {
	net.Conn

	*http2.Framer

	greeted, acked chan struct{} // the server's first SETTINGS, and its acknowledgement of the client's or of a ping, came
	gone           chan struct{} // GOAWAY came
	closed         chan struct{}
}

func newH2Client(conn net.Conn) *h2Client {
	c := &h2Client{conn, http2.NewFramer(conn, conn), make(chan struct{}), make(chan struct{}, 9), make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(c.closed)
		for greeted := false; ; {
			f, err := c.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() && !greeted {
					greeted = true
					close(c.greeted)
				}
			case *http2.PingFrame:
				c.acked <- struct{}{}
			case *http2.GoAwayFrame:
				if f.LastStreamID == 0 {
					close(c.gone)
				}
			}
		}
	}()
	return c
}

// fields is a header block of the names and values.
func fields(pairs ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return b.Bytes()
}

// ofLibrary is the header of a call by a gRPC library.
var ofLibrary = []string{":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a", "content-type", "application/grpc", "user-agent", "grpc-go/1.85.0", "te", "trailers"}

// h2Opening is how a client begins.
type h2Opening struct {
	settings []http2.Setting
	early    bool     // it does not wait for the server's SETTINGS
	before   int      // PINGs that it sends before its first request
	header   []string // of the request
	split    bool     // the header comes in two frames
}

// open begins a connection, and returns the bytes that the server behind the Split must read.
func (c *h2Client) open(o h2Opening) {
	_, _ = io.WriteString(c.Conn, http2.ClientPreface)
	_ = c.WriteSettings(o.settings...)
	if !o.early {
		<-c.greeted
		_ = c.WriteSettingsAck()
	}
	for range o.before {
		_ = c.WritePing(false, [8]byte{1})
		<-c.acked
	}
	block := fields(o.header...)
	if o.split {
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:9]})
		_ = c.WriteContinuation(1, true, block[9:])
	} else {
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
	}
	if o.early {
		<-c.greeted
		_ = c.WriteSettingsAck()
	}
	_ = c.WriteData(1, true, []byte("end"))
}

// readAsServer returns the frames that the server behind a Split reads, to the client's data.
func readAsServer(conn net.Conn) (frames []string, err error) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		return nil, fmt.Errorf("preface %q, %w", preface, err)
	}
	fr := http2.NewFramer(conn, conn)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return frames, err
		}
		if frames = append(frames, f.Header().String()); f.Header().Type == http2.FrameData {
			return frames, nil
		}
	}
}

func with(header []string, name, value string) []string {
	header = slices.Clone(header)
	for i := 0; i < len(header); i += 2 {
		if header[i] == name {
			header[i+1] = value
			return header
		}
	}
	return append(header, name, value)
}

// A connection is gRPC's if all marks are there, and net/http's if any is missing. Either server reads what the client sent, but
// for the acknowledgement of what it did not send.
func TestOnlyConnectionsOfOneGRPCClientAreGRPCs(t *testing.T) {
	for name, c := range map[string]struct {
		opening h2Opening
		options SplitOptions
		grpc    bool
	}{
		"a library":              {h2Opening{header: ofLibrary}, SplitOptions{}, true},
		"of another language":    {h2Opening{header: with(ofLibrary, "user-agent", "grpc-python/1.51 grpc-c/29.0")}, SplitOptions{}, true},
		"with its own setting":   {h2Opening{header: ofLibrary, settings: []http2.Setting{{ID: settingTrueBinary, Val: 1}}}, SplitOptions{}, true},
		"with a codec":           {h2Opening{header: with(ofLibrary, "content-type", "application/grpc+proto")}, SplitOptions{}, true},
		"with keepalive":         {h2Opening{header: ofLibrary, before: 3}, SplitOptions{}, true},
		"a header in two frames": {h2Opening{header: ofLibrary, split: true}, SplitOptions{}, true},
		"a client that is early": {h2Opening{header: ofLibrary, early: true}, SplitOptions{}, false},
		"HAProxy's setting":      {h2Opening{header: ofLibrary, settings: []http2.Setting{{ID: http2.SettingEnableConnectProtocol, Val: 1}}}, SplitOptions{}, false},
		"REST":                   {h2Opening{header: with(ofLibrary, "content-type", "application/json")}, SplitOptions{}, false},
		"gRPC-Web":               {h2Opening{header: with(ofLibrary, "content-type", "application/grpc-web+proto")}, SplitOptions{}, false},
		"connect-go":             {h2Opening{header: with(ofLibrary, "user-agent", "grpc-go-connect/1.21.1 (go1.26)")}, SplitOptions{}, false},
		"another program":        {h2Opening{header: with(ofLibrary, "user-agent", "curl/8")}, SplitOptions{}, false},
		"through a proxy":        {h2Opening{header: with(ofLibrary, "x-forwarded-proto", "https")}, SplitOptions{}, false},
		"through Via":            {h2Opening{header: with(ofLibrary, "via", "2 caddy")}, SplitOptions{}, false},
		"from a proxy's address": {h2Opening{header: ofLibrary}, SplitOptions{Proxy: func(net.Addr) bool { return true }}, false},
		"much metadata":          {h2Opening{header: with(ofLibrary, "x", strings.Repeat("~", 20<<10))}, SplitOptions{}, false},
		"much before it":         {h2Opening{header: ofLibrary, before: 1500}, SplitOptions{}, false},
		"gRPC's port: a proxy":   {h2Opening{header: with(ofLibrary, "via", "2 caddy"), early: true}, SplitOptions{GRPCOnly: true}, true},
		"gRPC's port: REST":      {h2Opening{header: with(ofLibrary, "content-type", "text/plain")}, SplitOptions{GRPCOnly: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipeListener()
				s := runSplit(t, l, c.options)
				client := newH2Client(l.dial())
				defer client.Close()
				if c.opening.before > 900 { // the Split stops reading in the middle, and replies to no more of them
					go func() {
						_, _ = io.WriteString(client.Conn, http2.ClientPreface)
						_ = client.WriteSettings()
						<-client.greeted
						for range c.opening.before {
							_ = client.WriteWindowUpdate(0, 1)
						}
						_ = client.WriteSettingsAck()
						_ = client.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(c.opening.header...), EndHeaders: true})
						_ = client.WriteData(1, true, []byte("end"))
					}()
				} else {
					go client.open(c.opening)
				}
				want, other := s.HTTP(), s.GRPC()
				if c.grpc {
					want, other = other, want
				}
				go func() {
					if conn, err := other.Accept(); err == nil {
						t.Error("the other server got it")
						conn.Close()
					}
				}()
				conn, err := want.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				frames, err := readAsServer(conn)
				if err != nil || len(frames) < 3 || !strings.Contains(frames[0], "SETTINGS") {
					t.Fatalf("it reads %q, %v", frames, err)
				}
				for _, f := range frames {
					if strings.Contains(f, "SETTINGS flags=ACK") {
						t.Errorf("it reads the acknowledgement: %q", frames)
					}
				}
				if looked, ok := conn.(*lookedConn); !ok || looked.again != nil || looked.seen != nil {
					t.Errorf("what was looked at is kept: %+v", conn)
				}
			})
		})
	}
}

// A client that has connected and not called has time to do so, and hears it when that is over.
func TestAConnectionWithoutARequestIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		runSplit(t, l, SplitOptions{Timeout: 10 * time.Second, Idle: 2 * time.Minute})
		start := time.Now()
		silent := l.dial()
		_, _ = io.WriteString(silent, http2.ClientPreface)
		if !isClosed(silent) || time.Since(start) != 10*time.Second {
			t.Errorf("a preface alone: closed after %s", time.Since(start))
		}
		start = time.Now()
		client := newH2Client(l.dial())
		_, _ = io.WriteString(client.Conn, http2.ClientPreface)
		_ = client.WriteSettings()
		<-client.gone
		<-client.closed
		if waited := time.Since(start); waited != 2*time.Minute {
			t.Errorf("SETTINGS alone: closed after %s", waited)
		}
		pinging := newH2Client(l.dial())
		go func() {
			for {
				select {
				case <-pinging.acked:
				case <-pinging.closed:
					return
				}
			}
		}()
		_, _ = io.WriteString(pinging.Conn, http2.ClientPreface)
		_ = pinging.WriteSettings()
		for n := 0; pinging.WritePing(false, [8]byte{}) == nil; n++ {
			if n > maxPings {
				t.Fatal("pings are taken without end")
			}
		}
		<-pinging.closed
		deaf := l.dial() // it reads nothing, so the server's SETTINGS do not leave
		start = time.Now()
		_, _ = io.WriteString(deaf, http2.ClientPreface)
		go func() { _ = http2.NewFramer(deaf, nil).WriteSettings() }()
		synctest.Wait()
		time.Sleep(11 * time.Second) //nolint:forbidigo // fake time
		if _, err := deaf.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a client that reads nothing: %v after %s", err, time.Since(start))
		}
	})
}

// What begins like HTTP/2 and is not goes to net/http, with every byte, which says what is wrong.
func TestWhatOnlyBeginsLikeHTTP2IsNetHTTPs(t *testing.T) {
	for _, said := range []string{"PRI / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n", http2.ClientPreface + "\x00\xff\xff\x00\x00\x00\x00\x00\x01rest", http2.ClientPreface + "\x00\x00\x05\x04\x00\x00\x00\x00\x00rest5more"} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			s := runSplit(t, l, SplitOptions{})
			client := l.dial()
			defer client.Close()
			go func() { _, _ = io.WriteString(client, said) }()
			conn, err := s.HTTP().Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			heard := make([]byte, len(said))
			if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != said {
				t.Errorf("net/http heard %q, %v; want %q", heard, err, said)
			}
		})
	}
}
