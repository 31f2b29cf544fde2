//! Which addresses may be reached: those of the public internet, and the networks that the operator allows. Pure.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is not public in IPv4: network, bits, the name that a message gives it (IANA's registry of special purposes).
const REFUSED_V4: &[([u8; 4], u8, &str)] = &[
    ([0, 0, 0, 0], 8, "this host"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "a carrier's shared network"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local, where clouds have their metadata"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved for protocols"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 88, 99, 0], 24, "a relay to IPv6"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// What is not public in IPv6. All that is not 2000::/3 is refused anyway; these are the names, and the holes in 2000::/3.
const REFUSED_V6: &[([u16; 8], u8, &str)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "this host"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, EMBEDDED),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, EMBEDDED),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, EMBEDDED),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "a translator to IPv4 (NAT64)"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "a translator to IPv4 (NAT64)"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discarded traffic"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "a tunnel (Teredo)"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved for protocols"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "a tunnel (6to4)"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// An IPv4 address in the clothes of IPv6.
const EMBEDDED: &str = "an IPv4 address written as IPv6";

/// Where outgoing requests may go.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
    own: Option<SocketAddr>,
    closed: bool,
}

impl AddressPolicy {
    /// The public internet, and these networks (`--allow-network`). A network speaks of the addresses of its own family, as they are
    /// written: `10.0.0.0/8` does not allow `::ffff:10.1.2.3`, which nobody needs.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed, own: None, closed: false }
    }

    /// And not where this server listens, unless a network allows it.
    #[must_use]
    pub fn without(mut self, own: SocketAddr) -> Self {
        self.own = Some(own);
        self
    }

    /// The networks alone, without the public internet.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Whether a connection may go there.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check(&self, address: SocketAddr) -> Result<(), &'static str> {
        let ip = address.ip();
        let disguised = matches!(ip, IpAddr::V6(v6) if is_disguised(v6));
        if !disguised && self.allowed.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        if self.own.is_some_and(|own| own == address) {
            return Err("where this server listens");
        }
        match refused(ip) {
            Some(rule) => Err(rule),
            None if self.closed => Err("outside of the networks that are allowed"),
            None => Ok(()),
        }
    }
}

/// The mapped, compatible and translated forms, which no network allows: even `::/0` does not mean them.
fn is_disguised(address: Ipv6Addr) -> bool {
    !address.is_loopback() && !address.is_unspecified() && named(u128::from(address)) == Some(EMBEDDED)
}

/// Why this address is not of the public internet.
fn refused(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    let holds = |net: [u8; 4], length: u8| (bits ^ u32::from_be_bytes(net)) >> (32 - length) == 0;
    REFUSED_V4.iter().find(|(net, length, _)| holds(*net, *length)).map(|(_, _, name)| *name)
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, .., s4, s5, _, _] = address.segments();
    if let Some(name) = named(u128::from(address)) {
        return Some(name);
    }
    if first >> 13 != 1 {
        return Some("not public");
    }
    // ISATAP: the last four bytes are the address of a host that unpacks it.
    (s4 & 0xfdff == 0 && s5 == 0x5efe).then_some("a tunnel (ISATAP)")
}

fn named(bits: u128) -> Option<&'static str> {
    let holds = |net: [u16; 8], length: u8| (bits ^ u128::from(Ipv6Addr::from(net))) >> (128 - length) == 0;
    REFUSED_V6.iter().find(|(net, length, _)| holds(*net, *length)).map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &AddressPolicy, address: &str) -> Option<&'static str> {
        policy.check(SocketAddr::new(address.parse().expect("an address"), 80)).err()
    }

    #[test]
    fn the_public_internet_is_open() {
        let policy = AddressPolicy::default();
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2003::1",
            "3ffe::1",
            "2000::",
            "2606::5eff:7f00:1",
        ] {
            assert_eq!(judge(&policy, address), None, "{address}");
        }
    }

    #[test]
    fn a_closed_policy_leaves_the_networks_alone() {
        let policy = AddressPolicy::new(vec!["10.0.0.0/8".parse().expect("a network")]).closed();
        let check = |address: &str| policy.check(SocketAddr::new(address.parse().expect("an address"), 80));
        assert_eq!((check("10.1.2.3"), check("127.0.0.1")), (Ok(()), Err("loopback")));
        assert_eq!(check("93.184.216.34"), Err("outside of the networks that are allowed"));
        assert_eq!(check("2606:2800:220:1::1"), Err("outside of the networks that are allowed"));
    }

    #[test]
    fn everything_else_is_closed() {
        let policy = AddressPolicy::default();
        for (address, rule) in [
            ("0.0.0.0", "this host"),
            ("0.255.255.255", "this host"),
            ("10.0.0.0", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "shared"),
            ("100.127.255.255", "shared"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("169.254.169.254", "metadata"),
            ("169.254.0.0", "link-local"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.1", "protocols"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "relay"),
            ("192.168.255.255", "private"),
            ("198.18.0.0", "benchmarking"),
            ("198.19.255.255", "benchmarking"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.1", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.0", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "this host"),
            ("::1", "loopback"),
            ("::127.0.0.1", "written as IPv6"),
            ("::8.8.8.8", "written as IPv6"),
            ("::ffff:127.0.0.1", "written as IPv6"),
            ("::ffff:8.8.8.8", "written as IPv6"),
            ("::ffff:0:127.0.0.1", "written as IPv6"),
            ("64:ff9b::127.0.0.1", "NAT64"),
            ("64:ff9b:1::a00:1", "NAT64"),
            ("100::1", "discarded"),
            ("2001::1", "Teredo"),
            ("2001:2::1", "protocols"),
            ("2001:10::1", "protocols"),
            ("2001:1ff:ffff::", "protocols"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("3fff:fff::", "documentation"),
            ("5f00::1", "not public"),
            ("4000::", "not public"),
            ("1fff::1", "not public"),
            ("fc00::1", "private"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
            ("2606::5efe:7f00:1", "ISATAP"),
            ("2606::200:5efe:7f00:1", "ISATAP"),
        ] {
            let found = judge(&policy, address);
            assert!(found.is_some_and(|found| found.contains(rule)), "{address}: {found:?}");
        }
    }

    #[test]
    fn a_network_of_the_operator_is_open_and_nothing_beside_it() {
        let nets = ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"];
        let policy = AddressPolicy::new(nets.iter().map(|net| net.parse().expect("a network")).collect());
        for address in ["10.1.2.3", "fd00::1", "127.0.0.1"] {
            assert_eq!(judge(&policy, address), None, "{address}");
        }
        for address in
            ["127.0.0.2", "::1", "::ffff:10.1.2.3", "::10.1.2.3", "fc00::1", "2002:a01:203::", "64:ff9b::10.1.2.3"]
        {
            assert!(judge(&policy, address).is_some(), "{address}");
        }
    }

    #[test]
    fn everything_allowed_still_means_addresses_as_they_are_written() {
        let policy = AddressPolicy::new(vec!["::/0".parse().expect("net"), "0.0.0.0/0".parse().expect("net")]);
        for address in ["10.1.2.3", "::1", "fe80::1", "64:ff9b::10.1.2.3", "169.254.169.254"] {
            assert_eq!(judge(&policy, address), None, "{address}");
        }
        for address in ["::ffff:10.1.2.3", "::10.1.2.3", "::ffff:0:10.1.2.3"] {
            assert_eq!(judge(&policy, address), Some(EMBEDDED), "{address}");
        }
    }

    #[test]
    fn the_server_itself_is_closed_where_it_listens() {
        let own: SocketAddr = "8.8.4.4:7878".parse().expect("an address");
        let policy = AddressPolicy::default().without(own);
        assert_eq!(policy.check(own), Err("where this server listens"));
        assert_eq!(policy.check("8.8.4.4:443".parse().expect("an address")), Ok(()));
        let policy = AddressPolicy::new(vec!["8.8.0.0/16".parse().expect("a network")]).without(own);
        assert_eq!(policy.check(own), Ok(()));
    }
}
