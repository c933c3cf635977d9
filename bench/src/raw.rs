//! The raw cost of the cryptography, with prepared keys: no token endpoint that signs costs less.

use std::process::Command;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::prelude::{BASE64_STANDARD, Engine};

use crate::{Error, cpu, function::percentile};

/// About as long as the signed part of an access token.
const MESSAGE: [u8; 600] = [b'm'; 600];
/// The arguments with which this program starts itself: see `first_use`.
pub const FIRST_RANDOM: &str = "first-random";
pub const FIRST_SIGNATURE: &str = "first-signature";
/// Holds the key of `first_use`: making one there would use the random numbers whose start is measured.
const KEY: &str = "BENCH_KEY";

/// CPU time per operation, and of the first one in a process.
pub struct Raw {
    pub es256_sign: Duration,
    pub es256_verify: Duration,
    pub rs256_sign: Duration,
    pub rs256_verify: Duration,
    pub first_random: Duration,
    pub first_signature: Duration,
}

pub fn measure() -> Result<Raw, Error> {
    let random = SystemRandom::new();
    let ec_document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
    let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec_document.as_ref())?;
    let ec_public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, ec.public_key().as_ref())?;
    let ec_signature = ec.sign(&random, &MESSAGE)?;

    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let rsa_public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key().as_ref())?;
    let mut rsa_signature = vec![0; rsa.public_modulus_len()];
    rsa.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut rsa_signature)?;
    let mut scratch = rsa_signature.clone();

    Ok(Raw {
        es256_sign: per_call(2_000, || Ok(ec.sign(&random, &MESSAGE).map(drop)?))?,
        es256_verify: per_call(1_000, || Ok(ec_public.verify_sig(&MESSAGE, ec_signature.as_ref())?))?,
        rs256_sign: per_call(200, || Ok(rsa.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut scratch)?))?,
        rs256_verify: per_call(2_000, || Ok(rsa_public.verify_sig(&MESSAGE, &rsa_signature)?))?,
        first_random: in_fresh_processes(FIRST_RANDOM, ec_document.as_ref())?,
        first_signature: in_fresh_processes(FIRST_SIGNATURE, ec_document.as_ref())?,
    })
}

/// Median of eleven batches.
pub fn per_call(batch: u32, mut operation: impl FnMut() -> Result<(), Error>) -> Result<Duration, Error> {
    let mut batches = Vec::new();
    for _ in 0..11 {
        let before = cpu::of_this_thread()?;
        for _ in 0..batch {
            operation()?;
        }
        batches.push((cpu::of_this_thread()? - before) / batch);
    }
    percentile(&mut batches, 50)
}

/// Median of eleven runs of this program that print what `first_use` took.
fn in_fresh_processes(what: &str, key: &[u8]) -> Result<Duration, Error> {
    let mut runs = Vec::new();
    for _ in 0..11 {
        let output = Command::new(std::env::current_exe()?).arg(what).env(KEY, BASE64_STANDARD.encode(key)).output()?;
        runs.push(Duration::from_nanos(String::from_utf8(output.stdout)?.trim().parse()?));
    }
    percentile(&mut runs, 50)
}

/// Prints the CPU nanoseconds of the first random number, or of the first signature, of this process.
pub fn first_use(what: &str) -> Result<(), Error> {
    let key = BASE64_STANDARD.decode(std::env::var(KEY)?)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key)?;
    let before = cpu::of_this_thread()?;
    if what == FIRST_RANDOM {
        SystemRandom::new().fill(&mut [0; 32])?;
    } else {
        key.sign(&SystemRandom::new(), &MESSAGE)?;
    }
    println!("{}", (cpu::of_this_thread()? - before).as_nanos());
    Ok(())
}
