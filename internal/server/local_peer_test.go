package server

import (
	"net"
	"net/netip"
	"os"
	"testing"
)

func TestThePeerOfAConnectionHasAUser(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // a machine without IPv6
			continue
		}
		defer l.Close()
		client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if uid, known := peerUID(conn); !known || uid != os.Getuid() {
			t.Errorf("%s: uid %d, known %v", address, uid, known)
		}
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if _, known := peerUID(near); known {
		t.Error("a pipe is of somebody")
	}
}

func TestAddressesOfTheKernelsTables(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:20E5":                         "127.0.0.1:8421",
		"00000000000000000000000001000000:1F90": "[::1]:8080",
		"0000000000000000FFFF00000100007F:0050": "127.0.0.1:80",
	} {
		if got := socketAddr(text); got != netip.MustParseAddrPort(want) {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "0100007F", "XX:1", "0100007F:XXXXX", "01:1"} {
		if got := socketAddr(text); got.IsValid() {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestWhatShowsAProxy(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "Via": true, "X-Real-Ip": true, "x-forwarded-for": true, "X-Forwarded-Proto": true, "X-Forwarded-Host": true, "X-Forwarded-Prefix": true,
		"X-Request-Id": false, "Authorization": false, "Viable": false,
	} {
		if got := showsProxy(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
