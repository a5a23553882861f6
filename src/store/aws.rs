//! Requests to services of AWS that speak JSON, signed (Signature Version 4) with the credentials that S3 has.

use super::s3::{Identity, runtime, suffix, transport};
use crate::error::{Class, Error, Result};
use bytes::Bytes;
use http::Method;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use std::time::Duration;

/// Attempts at a request that the service turned away.
const ATTEMPTS: u32 = 8;

/// A service in a region.
pub struct Service {
    name: &'static str,
    endpoint: String,
    region: String,
    identity: Identity,
}

impl Service {
    /// The service of this name (as in its endpoint). `endpoint`: where it is, when not at Amazon's.
    pub fn open(name: &'static str, endpoint: Option<&str>) -> Result<Service> {
        let identity = Identity::of_environment()?;
        let region = identity
            .region
            .clone()
            .ok_or_else(|| Error::usage("the AWS region is not known").hint("set AWS_REGION, e.g. to us-east-1"))?;
        let endpoint = endpoint.map_or_else(
            || format!("https://{name}.{region}.{}", suffix(&region)),
            |endpoint| endpoint.trim_end_matches('/').to_string(),
        );
        Ok(Service { name, endpoint, region, identity })
    }

    /// Sends a request that must not be done twice: it is sent again only when the service turned it away, or was not reached.
    pub fn post(&self, path: &str, body: &str) -> Result<Vec<u8>> {
        runtime().block_on(self.post_async(path, body))
    }

    async fn post_async(&self, path: &str, body: &str) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.endpoint);
        let mut wait = Duration::from_millis(500);
        for attempt in 1.. {
            let answer = self.send(&url, body).await?;
            let again = match &answer {
                Err(error) if error.is_connect() => format!("cannot reach {}", self.endpoint),
                Err(_) => {
                    return Err(Error::new(
                        Class::Temporary,
                        format!("{} was asked and did not answer", self.endpoint),
                    )
                    .hint("look into the queue before you submit again: the job may be there"));
                }
                Ok((status @ (429 | 503), _)) => format!("{} answers {status}", self.endpoint),
                Ok((status, body)) if (200..300).contains(status) => return Ok(body.to_vec()),
                Ok((status, body)) => return Err(self.refused(*status, body)),
            };
            if attempt == ATTEMPTS {
                return Err(Error::new(Class::Temporary, again));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(20));
        }
        unreachable!("the loop ends by returning")
    }

    async fn send(&self, url: &str, body: &str) -> Result<std::result::Result<(u16, Bytes), reqwest::Error>> {
        let wrong = |_| Error::usage("the endpoint is not understood, expected http://HOST[:PORT] or https://HOST");
        let mut signed = HttpRequest::new(HttpRequestBody::from(body.as_bytes().to_vec()));
        *signed.method_mut() = Method::POST;
        *signed.uri_mut() = url.parse().map_err(|_| wrong(()))?;
        signed.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        if let Some(provider) = &self.identity.credentials {
            // what failed is not quoted: it may hold parts of a token
            let credential = provider.get_credential().await.map_err(|_| {
                Error::new(Class::Permission, "there are no AWS credentials")
                    .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them")
            })?;
            AwsAuthorizer::new(&credential, self.name, &self.region)
                .try_authorize(&mut signed, None)
                .map_err(|_| Error::internal("a signature could not be made"))?;
        }
        let mut wire = reqwest::Request::new(Method::POST, url.parse().map_err(|_| wrong(()))?);
        *wire.headers_mut() = std::mem::take(signed.headers_mut());
        *wire.body_mut() = Some(body.as_bytes().to_vec().into());
        let answer = async {
            let response = transport().execute(wire).await?;
            Ok((response.status().as_u16(), response.bytes().await?))
        };
        Ok(answer.await)
    }

    fn refused(&self, status: u16, body: &[u8]) -> Error {
        let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = said["message"].as_str().or(said["Message"].as_str()).unwrap_or("no reason is given");
        let message = format!("{} refused the request ({status}): {text}", self.endpoint);
        match status {
            401 | 403 => Error::new(Class::Permission, message)
                .hint("the role needs batch:SubmitJob and batch:TagResource; is the clock of this machine right?"),
            400..500 => Error::usage(message),
            _ => Error::new(Class::Temporary, message),
        }
    }
}
