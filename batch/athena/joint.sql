CREATE EXTERNAL TABLE IF NOT EXISTS `varbatch`.`variants` (
  `variant_id` bigint,
  `pos` int,
  `end` int,
  `ref` string,
  `alt` string,
  `id` string,
  `qual` double,
  `filters` array<string>,
  `type` string,
  `site_id` bigint,
  `alt_index` int,
  `n_alts` int,
  `site_ref` string,
  `site_alt` string,
  `ac` int,
  `an` int,
  `af` double,
  `n_hom_ref` int,
  `n_het` int,
  `n_hom_alt` int,
  `n_hemi_ref` int,
  `n_hemi_alt` int,
  `n_partial` int,
  `n_missing` int,
  `hwe_p` double,
  `exc_het` double,
  `format` string,
  `info_as_qual` double,
  `info_aq` int,
  `info_as_qualapprox` int,
  `info_af_em` double,
  `info_dp` int,
  `info_ns` int,
  `info_n_nodata` int,
  `info_n_input` int,
  `info_n_depth` int,
  `info_n_quality` int,
  `info_n_lost` int,
  `info_n_overlap` int,
  `info_n_sex` int,
  `info_n_lowgq` int,
  `info_carriers` int,
  `info_carrier_dp` int,
  `info_as_qd` double,
  `info_ad_ref` int,
  `info_ad_alt` int,
  `info_ab` double,
  `info_as_sb_table` string,
  `info_as_fs` double,
  `info_as_sor` double,
  `info_as_mq` double,
  `info_as_mqranksum` double,
  `info_as_readposranksum` double,
  `info_as_baseqranksum` double,
  `info_as_inbreedingcoeff` double,
  `info_max_gq` int,
  `info_median_gq` int,
  `info_dp_hist_alt` string,
  `info_gq_hist_alt` string,
  `info_ab_hist_alt` string,
  `info_dp_hist_all` string,
  `info_gq_hist_all` string,
  `info_other` string
)
PARTITIONED BY (`contig` string)
STORED AS PARQUET
LOCATION 's3://BUCKET/cohort.ds/variants/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.contig.type' = 'enum',
  'projection.contig.values' = 'chr1',
  'storage.location.template' = 's3://BUCKET/cohort.ds/variants/contig=${contig}/'
);
CREATE EXTERNAL TABLE IF NOT EXISTS `varbatch`.`genotypes` (
  `variant_id` bigint,
  `pos` int,
  `sample_index` int,
  `gt` string,
  `dosage` int,
  `gq` int,
  `dp` int,
  `ad_ref` int,
  `ad_alt` int,
  `pl` array<int>,
  `pl_site` array<int>,
  `phase_set` int,
  `nocall` string,
  `fmt_ft` string,
  `fmt_other` string
)
PARTITIONED BY (`contig` string)
STORED AS PARQUET
LOCATION 's3://BUCKET/cohort.ds/genotypes/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.contig.type' = 'enum',
  'projection.contig.values' = 'chr1',
  'storage.location.template' = 's3://BUCKET/cohort.ds/genotypes/contig=${contig}/'
);
CREATE EXTERNAL TABLE IF NOT EXISTS `varbatch`.`samples` (
  `sample_index` int,
  `sample` string,
  `source` string,
  `sex` string,
  `dialect` string,
  `n_called` bigint,
  `n_missing` bigint,
  `n_het` bigint,
  `n_hom_alt` bigint,
  `n_snv` bigint,
  `n_ins` bigint,
  `n_del` bigint,
  `n_singleton` bigint,
  `ti` bigint,
  `tv` bigint,
  `call_rate` double,
  `mean_dp` double,
  `mean_gq` double
)
STORED AS PARQUET
LOCATION 's3://BUCKET/cohort.ds/samples/'
TBLPROPERTIES (
  'classification' = 'parquet'
);
CREATE EXTERNAL TABLE IF NOT EXISTS `varbatch`.`ref_blocks` (
  `sample_index` int,
  `contig` string,
  `start` int,
  `length` int,
  `gt` string,
  `gq` int,
  `min_dp` int,
  `dp` int,
  `pl_ref` int,
  `pl_het` int,
  `pl_hom_alt` int,
  `filter` string
)
STORED AS PARQUET
LOCATION 's3://BUCKET/cohort.ds/ref_blocks/'
TBLPROPERTIES (
  'classification' = 'parquet'
);
